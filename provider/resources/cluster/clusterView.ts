/** What the guests of the controllers say about the cluster, read side by side. */
import { isController } from "../../../contract/names";
import { K0sGuest } from "../../cluster/k0sGuest";
import type { K0sFacts } from "../../cluster/k0sGuest";
import type { ObservedMember } from "../../cluster/members";
import { membersOf } from "../../cluster/observed";
import { messageOf } from "../../errors";
import { ANSWER_SECONDS } from "../../hosts/guest";
import { parseRecord } from "../../hosts/facts/record";
import { isStopped } from "../../hosts/facts/vmFacts";
import { stackOwnership } from "../../ownership";
import { within } from "../../hosts/wait/wait";
import type { Context } from "../../resource";
import type { Inputs, Member } from "./k0sClusterState";

/** What a guest shows. */
export interface Contact {
  /** Undefined if it could not be read. */
  k0s: K0sFacts | undefined;
  /** The guest's running system. Empty or undefined: it does not show it. */
  system?: string;
  /** Why it could not be read. */
  absence: "no VM" | "stopped" | "no k0s" | "not contacted" | "silent" | undefined;
  /** For `silent`. */
  error: unknown;
}

export interface Seen extends Member, Contact {
  name: string;
}

export interface View {
  controllers: Seen[];
  /** The controller that is recorded as founder on its hypervisor. */
  founder: string | undefined;
  /** The members by the API. Undefined if it was not asked, or does not answer. */
  workers?: readonly ObservedMember[] | undefined;
}

/** Reads the controllers of the site. `more`: those that leave it. */
export async function lookAt(
  context: Context,
  { name, members }: Inputs,
  more: Inputs["members"] = {},
): Promise<View> {
  const controllers = Object.entries({ ...more, ...members }).filter(([, { role }]) =>
    isController(role),
  );
  const seen = await Promise.all(controllers.map(([vm, member]) => see(context, vm, member)));
  const hosts = [...new Set(seen.filter(isReadable).map(({ host }) => host))];
  const founders = await Promise.all(hosts.map((host) => founderOn(context, host, name)));
  return { controllers: seen, founder: founders.find((one) => one !== undefined) };
}

/** The same with what only the API knows: for the plan of a cluster that exists. */
export async function lookAtAll(
  context: Context,
  wanted: Inputs,
  more: Inputs["members"] = {},
): Promise<View> {
  const view = await lookAt(context, wanted, more);
  if (apiReady(view) === undefined) return view;
  try {
    const cluster = context.pool.cluster();
    const observed = await cluster.observe(within(context, ANSWER_SECONDS));
    return { ...view, workers: membersOf(cluster.config, observed) };
  } catch (error) {
    if (context.signal.aborted) throw error;
    return view;
  }
}

/** Its hypervisor has answered. */
function isReadable({ absence }: Seen): boolean {
  return absence !== "silent" && absence !== "not contacted";
}

export interface GuestPlace {
  name: string;
  host: string;
  address: string;
}

export function guestOf(context: Context, { name, host, address }: GuestPlace): K0sGuest {
  return new K0sGuest(context.pool.guest(host, { name, address }));
}

/** Never fails, except that the run was cancelled. A silent hypervisor makes its guests silent. */
export async function see(context: Context, name: string, member: Member): Promise<Seen> {
  const { host, address } = member;
  try {
    return { ...member, name, ...(await contact(context, { name, host, address })) };
  } catch (error) {
    if (context.signal.aborted) throw error;
    return { ...member, name, ...absent("silent", error) };
  }
}

/** Fails if the hypervisor does not answer. `isAnew`: by a new probe of the guest. */
export async function contact(
  context: Context,
  { name, host, address }: GuestPlace,
  isAnew = false,
): Promise<Contact> {
  if (context.pool.closed(host) !== undefined) return absent("not contacted");
  const vm = (await context.pool.get(host).read(context)).vms.get(name);
  if (vm === undefined) return absent("no VM");
  if (isStopped(vm)) return absent("stopped");
  const guest = context.pool.guest(host, { name, address });
  const call = within(context, ANSWER_SECONDS);
  try {
    const { k0s, system } = await (isAnew ? guest.readAgain(call) : guest.read(call));
    return k0s === undefined
      ? absent("no k0s")
      : { k0s, system, absence: undefined, error: undefined };
  } catch (error) {
    if (context.signal.aborted) throw error;
    return absent("silent", error);
  }
}

function absent(absence: Contact["absence"], error?: unknown): Contact {
  return { k0s: undefined, absence, error };
}

async function founderOn(
  context: Context,
  host: string,
  cluster: string,
): Promise<string | undefined> {
  const { records } = await context.pool.get(host).read(context);
  const text = records.get(`clusters/${cluster}`);
  const record = parseRecord(text);
  const isOurs = stackOwnership(text, context) === "owned";
  return isOurs && typeof record === "object" ? record.founder : undefined;
}

/** Why a controller has no healthy API, in words. Undefined if it has one. */
export function unavailability({ name, k0s, absence, error }: Seen): string | undefined {
  switch (absence) {
    case "no VM":
      return "the VM does not exist";
    case "stopped":
      return "the VM does not run";
    case "no k0s":
      return "its system has no unit k0s";
    case "not contacted":
      return "its host is not contacted";
    case "silent":
      return messageOf(error).split("\n")[0] ?? "it does not answer";
    case undefined:
      if (k0s?.isApiReady === true) return undefined;
      if (k0s?.stopped !== undefined) return `k0s is stopped: ${k0s.stopped}`;
      return `k0s is ${k0s?.unit ?? "missing"} on ${name}, and its API does not answer`;
  }
}

export const withData = ({ controllers }: View): Seen[] =>
  controllers.filter(({ k0s }) => k0s?.hasData === true);

/** A controller whose API answers. */
export const apiReady = ({ controllers }: View): Seen | undefined =>
  controllers.find(({ k0s }) => k0s?.isApiReady === true);

/** The addresses of etcd's members, as a controller that answers lists them. */
export function peersOf({ controllers }: View): string[] | undefined {
  const listed = controllers.find(({ k0s }) => k0s?.etcdMembers !== undefined)?.k0s?.etcdMembers;
  return listed && Object.values(listed).map((url) => url.replace(/^https:\/\/(.+):\d+$/, "$1"));
}
