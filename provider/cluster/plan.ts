/**
 * The steps from the members of a cluster to those that the site wants: in which order, with which
 * quorum before and after each, and what blocks them. Pure: docs/decisions/0019.
 */
import { controllersOf, hasQuorum, minorOf, named, namesOf, quorumOf, workersOf } from "./members";
import type { ObservedMember, Quorum, WantedMember } from "./members";
import { blockersOf, refusalsOf } from "./planGate";
import type { Action, Reason, Wish } from "./planGate";

export interface Step {
  action: Action;
  /** Several are done side by side. A controller is always alone. */
  names: string[];
  before: Quorum;
  after: Quorum;
  /** There is no quorum meanwhile, since the cluster has only one or two controllers. */
  interruptsApi: boolean;
}

export interface Plan {
  /** In their order, up to the first one that is blocked. */
  steps: Step[];
  /** The step that must not be taken now, and why. What follows it is not planned. */
  blocked?: { step: Step; reasons: Reason[] };
  /** The whole change is refused; then there are no steps. */
  refusals: Reason[];
}

type Move = Pick<Step, "action" | "names">;
type Members = readonly ObservedMember[];

/** `members` is undefined if there is no cluster. */
export function planOf(wish: Wish, members: Members | undefined): Plan {
  const refusals = refusalsOf(wish, members);
  if (refusals.length > 0) return { steps: [], refusals };
  const steps: Step[] = [];
  let state = members ?? [];
  for (;;) {
    const isNew = members === undefined && steps.length === 0;
    const move = isNew ? found(wish) : nextMove(wish, state);
    if (move === undefined) return { steps, refusals };
    const after = moved(wish, state, move);
    const step = stepOf(state, after, move);
    const reasons = blockersOf(wish, state, move.action, move.names);
    if (reasons.length > 0) return { steps, blocked: { step, reasons }, refusals };
    steps.push(step);
    state = after;
  }
}

/**
 * Dead members first, since they count for the quorum without a vote. Then controllers, then
 * workers; what leaves, last.
 */
function nextMove(wish: Wish, members: Members): Move | undefined {
  return (
    removeController(wish, members) ??
    removeWorkers(wish, members) ??
    joinController(wish, members) ??
    changeDown(wish, members) ??
    changeController(wish, members) ??
    joinWorkers(wish, members) ??
    changeWorkers(wish, members) ??
    leaveWorkers(wish, members) ??
    leaveController(wish, members)
  );
}

function found({ members, founder }: Wish): Move {
  const [first] = byName(controllersOf(members));
  return { action: "found", names: [founder ?? first?.name ?? ""] };
}

function removeController(wish: Wish, members: Members): Move | undefined {
  return one(
    "remove",
    controllersOf(members).filter(
      (member) =>
        member.etcd !== undefined &&
        !member.isHealthy &&
        (member.hasLostData || isUnwanted(wish, member)),
    ),
  );
}

function removeWorkers(wish: Wish, members: Members): Move | undefined {
  return all(
    "remove",
    workersOf(members).filter((member) => !member.isHealthy && isUnwanted(wish, member)),
  );
}

/** Also a learner: its join goes on. */
function joinController(wish: Wish, members: Members): Move | undefined {
  const isAbsent = ({ name }: WantedMember): boolean => named(members, name)?.etcd !== "voter";
  return one("join", controllersOf(wish.members).filter(isAbsent));
}

function joinWorkers(wish: Wish, members: Members): Move | undefined {
  const isAbsent = ({ name }: WantedMember): boolean => named(members, name)?.hasLostData !== false;
  return all("join", workersOf(wish.members).filter(isAbsent));
}

/** A member that is down may need the change to come up, and takes nothing away. */
function changeDown(wish: Wish, members: Members): Move | undefined {
  const changed = down(members).filter((member) => isChanged(wish, member));
  const isNoNewer = ({ name }: ObservedMember): boolean => {
    const to = minorOf(named(wish.members, name)?.runs.version ?? "");
    return controllersOf(members).every(({ runs }) => minorOf(runs?.version ?? "") >= to);
  };
  return (
    one("change", controllersOf(changed)) ?? all("change", workersOf(changed).filter(isNoNewer))
  );
}

function changeController(wish: Wish, members: Members): Move | undefined {
  return one(
    "change",
    controllersOf(members).filter((member) => isChanged(wish, member)),
  );
}

function changeWorkers(wish: Wish, members: Members): Move | undefined {
  const changed = workersOf(members).filter((member) => isChanged(wish, member));
  return some("change", changed, room(wish, members));
}

function leaveWorkers(wish: Wish, members: Members): Move | undefined {
  const leaving = workersOf(members).filter((member) => isUnwanted(wish, member));
  return some("leave", leaving, room(wish, members));
}

function leaveController(wish: Wish, members: Members): Move | undefined {
  return one(
    "leave",
    controllersOf(members).filter((member) => isUnwanted(wish, member)),
  );
}

function isUnwanted(wish: Wish, { name }: ObservedMember): boolean {
  return named(wish.members, name) === undefined;
}

/** What nobody can see is not planned. */
function isChanged(wish: Wish, { name, role, runs }: ObservedMember): boolean {
  const wanted = named(wish.members, name);
  if (wanted === undefined || runs === undefined) return false;
  return (
    wanted.role !== role ||
    wanted.runs.closure !== runs.closure ||
    wanted.runs.k0s !== runs.k0s ||
    wanted.runs.version !== runs.version
  );
}

const down = (members: Members): Members => members.filter(({ isHealthy }) => !isHealthy);

/** How many more members may go down; at least one, so that a blocked step is named. */
const room = ({ maxUnavailable }: Wish, members: Members): number =>
  Math.max(1, maxUnavailable - down(members).length);

function byName<T extends { name: string }>(members: readonly T[]): T[] {
  return [...members].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function some(
  action: Action,
  members: readonly { name: string }[],
  limit: number,
): Move | undefined {
  const names = namesOf(byName(members)).slice(0, limit);
  return names.length === 0 ? undefined : { action, names };
}

const one = (action: Action, members: readonly { name: string }[]) => some(action, members, 1);
const all = (action: Action, members: readonly { name: string }[]) =>
  some(action, members, members.length);

/** The members after a step that succeeds. */
function moved(wish: Wish, members: Members, { action, names }: Move): Members {
  const others = members.filter(({ name }) => !names.includes(name));
  if (action === "leave" || action === "remove") return others;
  const present = wish.members.filter(({ name }) => names.includes(name));
  return [
    ...others,
    ...present.map(({ name, role, runs }): ObservedMember => ({
      name,
      role,
      runs,
      isHealthy: true,
      hasLostData: false,
      ...(role !== "worker" && { etcd: "voter" }),
    })),
  ];
}

function stepOf(before: Members, after: Members, { action, names }: Move): Step {
  const meanwhile = before.map((member) =>
    names.includes(member.name) ? { ...member, isHealthy: false } : member,
  );
  return {
    action,
    names,
    before: quorumOf(before),
    after: quorumOf(after),
    interruptsApi:
      action === "change" && hasQuorum(quorumOf(before)) && !hasQuorum(quorumOf(meanwhile)),
  };
}
