/** Why a plan is refused as a whole, and why one of its steps must not be taken now. Pure. */
import type { K0sRole } from "../../contract/names";
import type { ClusterAction } from "../../contract/notices";
import {
  controllersOf,
  hasQuorum,
  minorOf,
  named,
  namesOf,
  needed,
  quorumOf,
  votersOf,
  workersOf,
} from "./members";
import type { ObservedMember, WantedMember } from "./members";

export type Action = ClusterAction;

export type Reason =
  | { code: "no-controller" }
  | { code: "founder-gone"; founder: string }
  | { code: "too-many-leave"; leaving: string[]; controllers: number; allowed: number }
  | { code: "role-changes"; name: string; from: K0sRole; to: K0sRole }
  | { code: "downgrade"; name: string; from: string; to: string }
  | { code: "minor-skipped"; name: string; from: string; to: string }
  | { code: "no-quorum"; voters: number; healthy: number; needed: number; down: string[] }
  | { code: "unhealthy"; controllers: string[] }
  | { code: "too-many-down"; down: string[]; maxUnavailable: number }
  | { code: "skew"; to: string; workers: { name: string; version: string }[] };

export interface Wish {
  members: readonly WantedMember[];
  /** How many members may be down at the same time. */
  maxUnavailable: number;
  /** The controller that was recorded for founding, before the cluster existed. */
  founder?: string;
}

/** What no order of steps can do. `members` is undefined if there is no cluster. */
export function refusalsOf(wish: Wish, members: readonly ObservedMember[] | undefined): Reason[] {
  const { founder } = wish;
  const wanted = controllersOf(wish.members);
  if (wanted.length === 0) return [{ code: "no-controller" }];
  if (members === undefined) {
    const isGone = founder !== undefined && named(wanted, founder) === undefined;
    return isGone ? [{ code: "founder-gone", founder }] : [];
  }
  return [
    ...tooManyLeave(wanted, members),
    ...wish.members.flatMap((member) => refusalsOfMember(member, named(members, member.name))),
  ];
}

/** A change that takes more than a minority is a mistake in the site, or belongs in several. */
function tooManyLeave(
  wanted: readonly WantedMember[],
  members: readonly ObservedMember[],
): Reason[] {
  const present = controllersOf(members).filter(({ etcd }) => etcd !== undefined);
  const leaving = namesOf(present).filter((name) => named(wanted, name) === undefined);
  const joining = namesOf(wanted).filter((name) => named(present, name) === undefined);
  const controllers = present.length + joining.length;
  const allowed = Math.max(1, controllers - needed(controllers));
  if (leaving.length <= allowed) return [];
  return [{ code: "too-many-leave", leaving, controllers, allowed }];
}

function refusalsOfMember(
  { name, role: to, runs }: WantedMember,
  member: ObservedMember | undefined,
): Reason[] {
  if (member === undefined) return [];
  const { role: from } = member;
  // Only a worker can be added to a member: without one, its node would remain.
  if (from !== to && !(from === "controller" && to === "controller+worker")) {
    return [{ code: "role-changes", name, from, to }];
  }
  const version = member.runs?.version;
  if (version === undefined) return [];
  const difference = minorOf(runs.version) - minorOf(version);
  const change = { name, from: version, to: runs.version };
  if (difference < 0) return [{ code: "downgrade", ...change }];
  return difference > 1 ? [{ code: "minor-skipped", ...change }] : [];
}

/** What is in the way of a step on these members now. */
export function blockersOf(
  { members: wanted, maxUnavailable }: Wish,
  members: readonly ObservedMember[],
  action: Action,
  names: readonly string[],
): Reason[] {
  if (action === "found") return [];
  const isDown = names.every((name) => named(members, name)?.isHealthy === false);
  // What is down already loses nothing by a change, and may need it to come up again.
  if (action === "change" && isDown) return skewAfter(wanted, members, names);
  const quorum = withoutQuorum(members);
  if (quorum.length > 0 || action === "join" || action === "remove") return quorum;
  const unhealthy = unhealthyControllers(members, names);
  return [
    ...unhealthy.map((controllers): Reason => ({ code: "unhealthy", controllers })),
    ...tooManyDown(members, names, maxUnavailable, unhealthy.flat()),
    ...(action === "change" ? skewAfter(wanted, members, names) : []),
  ];
}

function withoutQuorum(members: readonly ObservedMember[]): Reason[] {
  const quorum = quorumOf(members);
  if (hasQuorum(quorum)) return [];
  const down = namesOf(votersOf(members).filter(({ isHealthy }) => !isHealthy));
  return [{ code: "no-quorum", ...quorum, needed: needed(quorum.voters), down }];
}

/** While a controller restarts or leaves, every other one is healthy. */
function unhealthyControllers(
  members: readonly ObservedMember[],
  names: readonly string[],
): string[][] {
  const own = controllersOf(members).filter(({ name }) => names.includes(name));
  if (own.length === 0) return [];
  const others = votersOf(members).filter(
    ({ name, isHealthy }) => !isHealthy && !names.includes(name),
  );
  return others.length === 0 ? [] : [namesOf(others)];
}

/** A member that is down already makes no more members unavailable. `told`: those named already. */
function tooManyDown(
  members: readonly ObservedMember[],
  names: readonly string[],
  maxUnavailable: number,
  told: readonly string[],
): Reason[] {
  const down = namesOf(members.filter(({ isHealthy }) => !isHealthy));
  const more = names.filter((name) => !down.includes(name));
  if (more.length === 0 || down.length + more.length <= maxUnavailable) return [];
  if (down.every((name) => told.includes(name))) return [];
  return [{ code: "too-many-down", down, maxUnavailable }];
}

/** Workers may be one minor version older than a controller. */
function skewAfter(
  wanted: readonly WantedMember[],
  members: readonly ObservedMember[],
  names: readonly string[],
): Reason[] {
  return controllersOf(wanted)
    .filter(({ name }) => names.includes(name))
    .flatMap(({ runs: { version: to } }): Reason[] => {
      const workers = workersOf(members).flatMap(({ name, runs }) =>
        runs !== undefined && minorOf(to) - minorOf(runs.version) > 1
          ? [{ name, version: runs.version }]
          : [],
      );
      return workers.length === 0 ? [] : [{ code: "skew", to, workers }];
    });
}
