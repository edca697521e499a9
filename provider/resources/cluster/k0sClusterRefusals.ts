/** What is refused of a cluster before anything changes. */
import { asSentence, wordsOf } from "../../cluster/planWords";
import { ProviderError, asError } from "../../errors";
import { refuseOthers, stackNameOf, stackOwnership } from "../../ownership";
import type { Owner } from "../../ownership";
import type { Context } from "../../resource";
import { planOfCluster } from "./clusterPlan";
import { apiReady, guestOf, peersOf, unavailability, withData } from "./clusterView";
import type { Seen, View } from "./clusterView";
import type { Inputs, State } from "./k0sClusterState";

/** VMs of the site may not exist yet: a preview refuses only what it can see. */
export function refuseCluster(
  owner: Owner,
  wanted: Inputs,
  view: View,
  recorded: State | undefined,
  before: Inputs | undefined,
): void {
  refuseOtherCas(wanted, view, recorded);
  if (recorded === undefined) refuseForeign(owner, wanted, view);
  refuseLost(view, recorded);
  const [first] = planOfCluster(wanted, view, before).refusals;
  if (first === undefined) return;
  const { what, remedy } = wordsOf(first);
  throw new ProviderError("input", `${wanted.name}: ${what}`, asSentence(remedy));
}

/** All data is of one cluster: the recorded one, or the one that the site takes over. */
function refuseOtherCas(wanted: Inputs, view: View, recorded: State | undefined): void {
  const members = withData(view);
  const expected =
    recorded?.caFingerprint ?? wanted.caFingerprint ?? members[0]?.k0s?.caFingerprint;
  for (const { name, k0s } of members) {
    if (k0s?.caFingerprint === expected) continue;
    throw foreignData({ name, found: k0s?.caFingerprint, expected, cluster: wanted.name });
  }
}

export interface ForeignData {
  /** The member that has the data. */
  name: string;
  /** The fingerprint of its CA. */
  found: string | undefined;
  expected: string | undefined;
  cluster: string;
}

/** Data of another cluster is never moved or removed. */
export function foreignData({ name, found, expected, cluster }: ForeignData): ProviderError {
  return new ProviderError(
    "foreign",
    `${name} has data of a cluster with the CA ${found ?? "(unreadable)"}, ` +
      `not ${expected ?? ""} of ${cluster}; nothing was changed`,
    `Restore the right volume of ${name}, or move /var/lib/k0s there to another place.`,
  );
}

/** A cluster is only taken over if it is ours, or if the site names its CA. */
function refuseForeign(owner: Owner, wanted: Inputs, view: View): void {
  const members = withData(view);
  // Founding was interrupted before the record was written beside the data.
  const isBegun = members.some(({ name }) => name === view.founder);
  const isOurs = members.some(({ k0s }) => stackOwnership(k0s?.record, owner) === "owned");
  for (const { name, k0s } of members) {
    const found = stackOwnership(k0s?.record, owner);
    refuseOthers(found, `the cluster on ${name}`, "Destroy it in that stack first.");
    if (isBegun || isOurs || wanted.caFingerprint !== undefined) continue;
    throw new ProviderError(
      "foreign",
      `${name} has data of a cluster that no stack has recorded; nothing was changed`,
      `To take it over, set cluster.caFingerprint: ${k0s?.caFingerprint ?? ""}`,
    );
  }
  if (members.length === 0 && wanted.caFingerprint !== undefined) {
    throw new ProviderError(
      "foreign",
      `no controller of ${wanted.name} has data of a cluster with the CA ${wanted.caFingerprint}`,
      "State the controllers of that cluster as VMs, or remove cluster.caFingerprint.",
    );
  }
  refuseStrangers(wanted, view);
}

/** The API has its own record: a backup that was restored brings it along, and not the files. */
export async function refuseOwner(context: Context, { name }: Inputs, view: View): Promise<void> {
  const controller = apiReady(view);
  if (controller === undefined) return;
  const owner = await guestOf(context, controller).owner(context);
  const own = stackNameOf(context.urn);
  if (owner === undefined || (owner.stack === own.stack && owner.project === own.project)) return;
  throw new ProviderError(
    "owned",
    `the cluster ${name} belongs to the stack ${owner.stack} of ${owner.project}`,
    "Destroy it in that stack first. If that stack does not exist any more, delete the ConfigMap " +
      "pulumi-microvm in the namespace kube-system.",
  );
}

/** Kept data can know members that the site does not have: they would have a vote for ever. */
export function refuseStrangers(wanted: Inputs, view: View): void {
  const known = new Set(Object.values(wanted.members).map(({ address }) => address));
  const strangers = (peersOf(view) ?? []).filter((address) => !known.has(address));
  if (strangers.length === 0) return;
  throw new ProviderError(
    "foreign",
    `etcd of ${wanted.name} has members that are not in the site: ${strangers.join(", ")}`,
    "Add them to the site as controllers, and remove them in a later change.",
  );
}

/** A cluster that was recorded is never founded again. */
function refuseLost(view: View, recorded: State | undefined): void {
  if (recorded === undefined || withData(view).length > 0) return;
  if (view.controllers.some(({ k0s }) => k0s === undefined)) return;
  throw new ProviderError(
    "data-loss",
    `no controller has data of the cluster with the CA ${recorded.caFingerprint}`,
    "Restore a backup on a controller. To give the cluster up, run up once without `cluster` " +
      "and without roles.",
  );
}

/**
 * A cluster is founded only if each controller was seen to have no data: one that cannot be read
 * may be a member of a cluster already.
 */
export function refuseUnseen({ name }: Inputs, { controllers }: View): void {
  const unseen = controllers.filter(({ k0s }) => k0s === undefined);
  const silent = unseen.find(({ absence }) => absence === "silent");
  if (silent !== undefined) throw asError(silent.error);
  if (unseen.length === 0) return;
  throw new ProviderError(
    "guest",
    `${name} cannot be founded: ${unseen.map(words).join("; ")}. ` +
      "Whether data of a cluster is there is not known",
    "Start these VMs first, or remove their roles.",
  );
}

const words = (seen: Seen): string => `${seen.name}: ${unavailability(seen) ?? ""}`;
