/**
 * Addresses of a VM of this site that another running VM of this stack still has: a VM that has
 * left the site, or whose own address changes. The engine creates before it deletes. So the new VM
 * would start beside the old one, and the `up` would never see it.
 */
import { remedyOf } from "../../../contract/promises";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { parseRecord } from "../../hosts/facts/record";
import { isStopped } from "../../hosts/facts/vmFacts";
import { stackOf } from "../../ownership";
import type { Context } from "../../resource";
import { renameHint } from "../shared/renamed";
import type { VmWants } from "./hypervisorWants";

/** The time limit for reading the other hosts of the site. */
const OTHERS_SECONDS = 20;

interface Wishes {
  host: string;
  wants: readonly VmWants[];
  /** VM -> its former name. */
  renamedVms: Readonly<Record<string, string>>;
}

/** A running VM, and its addresses, which no other VM may have at the same time. */
interface Holder {
  host: string;
  name: string;
  ip: string;
  mac: string;
  vsockCid: string;
}

/** Throws if another VM of this stack still uses a new address of a VM. Only reads. */
export async function refuseHeldAddresses(
  context: Context,
  wanted: Wishes,
  before: Wishes | undefined,
): Promise<void> {
  const isNew = vmsWithNewAddresses(wanted, before?.wants ?? []);
  if (isNew.length === 0) return;
  const { pool, urn } = context;
  const facts = await pool.get(wanted.host).read(context);
  const staying = new Set(wanted.wants.map(({ name }) => name));
  // A VM that stays on this host changes in the same run.
  const here = holders(wanted.host, facts, urn, before?.wants ?? []).filter(
    ({ name }) => !staying.has(name),
  );
  const elsewhere = await holdersElsewhere(context, wanted.host);
  const lines = isNew.flatMap((vm) => linesOf(vm, wanted, [...here, ...elsewhere]));
  if (lines.length === 0) return;
  throw new ProviderError(
    "owned",
    `${wanted.host}: running VMs still use addresses that the site gives to other VMs; ` +
      `nothing was changed:\n  - ${lines.join("\n  - ")}`,
  );
}

/** VMs with an address that they did not have in the last update. */
function vmsWithNewAddresses({ wants }: Wishes, before: readonly VmWants[]): VmWants[] {
  const old = new Map(before.map((vm) => [vm.name, keyOf(vm)]));
  return wants.filter((vm) => old.get(vm.name) !== keyOf(vm));
}

const keyOf = ({ ip, mac, vsockCid }: VmWants): string => `${ip} ${mac} ${vsockCid ?? ""}`;

/**
 * The running VMs of this stack on a host. If a record lacks addresses: those of the last inputs.
 */
function holders(
  host: string,
  { records, vms }: HostFacts,
  urn: string,
  stated: readonly VmWants[],
): Holder[] {
  return [...records].flatMap(([key, text]): Holder[] => {
    const name = /^vms\/(.+)$/.exec(key)?.[1];
    const record = parseRecord(text);
    if (name === undefined || typeof record !== "object") return [];
    if (isStopped(vms.get(name)) || stackOf(record.urn) !== stackOf(urn)) return [];
    const { address, mac, vsockCid } = record;
    const old = stated.find((vm) => vm.name === name);
    return [
      {
        host,
        name,
        ip: address ?? old?.ip ?? "",
        mac: (mac ?? old?.mac ?? "").toLowerCase(),
        vsockCid: vsockCid ?? String(old?.vsockCid ?? ""),
      },
    ];
  });
}

/** The resources of an unreachable host report it. */
async function holdersElsewhere(context: Context, host: string): Promise<Holder[]> {
  const { pool, urn } = context;
  const deadline = Math.min(context.deadline, Date.now() + OTHERS_SECONDS * 1000);
  const others = pool
    .names()
    .filter((name) => name !== pool.nameOf(host) && pool.closed(name) === undefined);
  const read = async (name: string): Promise<Holder[]> => {
    const facts = await pool.get(name).read({ ...context, deadline });
    return holders(name, facts, urn, []);
  };
  const results = await Promise.allSettled(others.map(read));
  return results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
}

function linesOf(vm: VmWants, { host, renamedVms }: Wishes, all: readonly Holder[]): string[] {
  const own = [vm.name, renamedVms[vm.name]];
  const others = all.filter((one) => one.host !== host || !own.includes(one.name));
  return others.flatMap((holder) => {
    const held = heldOf(vm, holder, holder.host === host);
    return held.length === 0 ? [] : [describe(vm, host, holder, held)];
  });
}

/** A vsock CID is unique on a host. Addresses are unique in the network that all hosts share. */
function heldOf(vm: VmWants, holder: Holder, isSameHost: boolean): string[] {
  const cid = String(vm.vsockCid ?? "");
  return [
    ...(vm.ip !== "" && vm.ip === holder.ip ? [`the address ${vm.ip}`] : []),
    ...(vm.mac !== "" && vm.mac.toLowerCase() === holder.mac ? [`the MAC ${vm.mac}`] : []),
    ...(isSameHost && cid !== "" && cid === holder.vsockCid ? [`the vsock CID ${cid}`] : []),
  ];
}

function describe({ name }: VmWants, host: string, holder: Holder, held: string[]): string {
  const old = holder.name;
  const what = `${name}: VM ${old} runs on ${holder.host} with ${held.join(" and ")}.`;
  if (old === name) return `${what} ${remedyOf("move")}`;
  const first = `up without this change of ${name} first: it removes or changes ${old}.`;
  return holder.host === host
    ? `${what} ${renameHint(name, old)} Otherwise run ${first}`
    : `${what} Run ${first}`;
}
