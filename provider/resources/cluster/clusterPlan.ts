/** The steps from the cluster that was observed to that of the site. Pure. */
import { workersOf } from "../../cluster/members";
import type { ObservedMember, Runs, WantedMember } from "../../cluster/members";
import { planOf } from "../../cluster/plan";
import type { Plan } from "../../cluster/plan";
import { peersOf, withData } from "./clusterView";
import type { Seen, View } from "./clusterView";
import type { Inputs, Member } from "./k0sClusterState";

/** `exists`: the cluster was recorded, or a controller has its data. */
export function planOfCluster(wanted: Inputs, view: View, before: Inputs | undefined): Plan {
  const exists = before !== undefined || withData(view).length > 0;
  const wish = {
    members: Object.entries(wanted.members).map(wantedMember),
    maxUnavailable: wanted.maxUnavailable,
    ...(view.founder !== undefined && { founder: view.founder }),
  };
  return planOf(wish, exists ? observedMembers(wanted, view, before) : undefined);
}

function wantedMember([name, member]: [string, Member]): WantedMember {
  const { role, host } = member;
  return { name, role, host, runs: runsAs(member) };
}

/** The members as the controllers and the API know them. */
export function observedMembers(
  wanted: Inputs,
  view: View,
  before: Inputs | undefined,
): ObservedMember[] {
  const recorded = before?.members ?? {};
  const peers = peersOf(view);
  const controllers = view.controllers
    .filter((seen) => isMember(seen, peers, recorded))
    .map((seen): ObservedMember => {
      const { name, k0s } = seen;
      return {
        name,
        role: recorded[name]?.role ?? seen.role,
        etcd: "voter",
        isHealthy: k0s?.isApiReady === true,
        hasLostData: k0s !== undefined && !k0s.hasData,
        runs: runsOf(seen, wanted.members[name], recorded[name]),
      };
    });
  return [...controllers, ...workersOfCluster(wanted, view, recorded)];
}

/** By the API. While it does not answer, those that were recorded count as healthy members. */
function workersOfCluster(
  wanted: Inputs,
  { workers }: View,
  recorded: Inputs["members"],
): ObservedMember[] {
  const known = workers ?? Object.entries(recorded).map(wantedMember).map(asHealthy);
  return workersOf(known).map((worker) => {
    const member = recorded[worker.name] ?? wanted.members[worker.name];
    return { ...worker, runs: member && runsAs(member) };
  });
}

function asHealthy(member: WantedMember): ObservedMember {
  return { ...member, isHealthy: true, hasLostData: false };
}

/** Without a list of etcd, a controller with data is one, and one that was recorded. */
function isMember(
  { name, address, k0s }: Seen,
  peers: readonly string[] | undefined,
  recorded: Inputs["members"],
): boolean {
  if (peers !== undefined) return peers.includes(address);
  return k0s === undefined ? recorded[name] !== undefined : k0s.hasData;
}

/**
 * The guest shows its running system, and the version of k0s if k0s answers. The hash of its unit
 * is only known from the record of the last update.
 */
function runsOf(
  { system, k0s, ...own }: Seen,
  wanted: Member | undefined,
  recorded: Member | undefined,
): ObservedMember["runs"] {
  const hasChanged = wanted !== undefined && system === wanted.closure;
  const runs = runsAs(hasChanged ? wanted : (recorded ?? wanted ?? own));
  return { ...runs, version: k0s?.version?.replace(/^v/, "") ?? runs.version };
}

function runsAs({ closure, k0sUnit, k0sVersion }: Member): Runs {
  return { closure, k0s: k0sUnit, version: k0sVersion };
}
