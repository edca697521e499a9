/** Compares the memory and disk space that all stacks require on a host with what it has. Pure. */
import type { FileSystemFact, HostFacts } from "../../hosts/facts/hostFacts";
import { describeStack } from "./hypervisorWants";
import type { StackWants, VmWants } from "./hypervisorWants";

export interface Demand {
  /** VMs of this stack. */
  own: readonly VmWants[];
  /** VMs of the other stacks of a shared host. */
  others: readonly StackWants[];
}

/** The demand of one stack for one resource: MiB per VM. */
interface Share {
  /** Undefined for this stack. */
  urn?: string;
  perVm: readonly (readonly [vm: string, mib: number])[];
}

const MIB = 1_048_576;

/** A message if the memory is too small. Undefined if it suffices, or if this stack uses none. */
export function memoryShortage(facts: HostFacts, demand: Demand): string | undefined {
  const shares = sharesOf(demand, ({ memoryMiB }) => memoryMiB);
  const has = Math.floor(facts.memoryKiB / 1024);
  if (!isShort(shares, has)) return undefined;
  return `the VMs want ${total(shares)} MiB of memory${breakdown(shares)}, the host has ${has} MiB`;
}

/** One line for each file system that is too small for its images. */
export function diskShortages(facts: HostFacts, demand: Demand): string[] {
  const places = new Map(
    demand.own
      .flatMap(({ volumes }) => volumes)
      .map(({ image }) => fileSystemOf(facts.fileSystems, image))
      .flatMap((place) => (place === undefined ? [] : [[keyOf(place), place] as const])),
  );
  return [...places.values()].flatMap((place) => diskShortage(facts, demand, place) ?? []);
}

function diskShortage(facts: HostFacts, demand: Demand, place: FileSystemFact): string | undefined {
  const liesHere = ({ image }: { image: string }): boolean => {
    const found = fileSystemOf(facts.fileSystems, image);
    return found !== undefined && keyOf(found) === keyOf(place);
  };
  const here = ({ volumes }: VmWants): VmWants["volumes"] => volumes.filter(liesHere);
  const shares = sharesOf(demand, (vm) => sum(here(vm).map(({ sizeMiB }) => sizeMiB)));
  const vms = [...demand.own, ...demand.others.flatMap((other) => other.vms)];
  // Images are sparse: their allocated space is part of their size, and is not free any more.
  const allocated = new Set(vms.flatMap(here).map(({ image }) => image));
  const bytes = sum([...allocated].map((image) => facts.images.get(image)?.allocatedBytes ?? 0));
  const has = Math.floor(place.freeKiB / 1024 + bytes / MIB);
  if (!isShort(shares, has)) return undefined;
  return (
    `the volumes want ${total(shares)} MiB on the file system at ${place.mountPoint}` +
    `${breakdown(shares)}, which has room for ${has} MiB`
  );
}

/** The file system of a path: the one with the longest mount point above it. */
export function fileSystemOf(
  fileSystems: readonly FileSystemFact[],
  path: string,
): FileSystemFact | undefined {
  const above = fileSystems.filter(
    ({ mountPoint }) => mountPoint === "/" || `${path}/`.startsWith(`${mountPoint}/`),
  );
  return above.reduce<FileSystemFact | undefined>(
    (longest, one) =>
      longest === undefined || one.mountPoint.length >= longest.mountPoint.length ? one : longest,
    undefined,
  );
}

/** A file system can be mounted at several places. Its device identifies it if that is a path. */
function keyOf({ device, mountPoint }: FileSystemFact): string {
  return device.startsWith("/") ? device : mountPoint;
}

function sharesOf({ own, others }: Demand, of: (vm: VmWants) => number): Share[] {
  const perVm = (vms: readonly VmWants[]): Share["perVm"] =>
    vms.map((vm) => [vm.name, of(vm)] as const).filter(([, mib]) => mib > 0);
  return [{ perVm: perVm(own) }, ...others.map(({ urn, vms }) => ({ urn, perVm: perVm(vms) }))];
}

/** Only a demand of this stack is an error of this stack. */
function isShort(shares: readonly Share[], has: number): boolean {
  return totalOf(shares[0]) > 0 && total(shares) > has;
}

function breakdown(shares: readonly Share[]): string {
  const others = shares.filter((share) => share.urn !== undefined && totalOf(share) > 0);
  if (others.length === 0) return "";
  const parts = others.map((share) => {
    const vms = share.perVm.map(([vm, mib]) => `${vm} ${mib}`).join(", ");
    return `${totalOf(share)} for ${describeStack(share.urn ?? "")}: ${vms}`;
  });
  return ` (${[`${totalOf(shares[0])} for this stack`, ...parts].join("; ")})`;
}

function totalOf(share: Share | undefined): number {
  return sum((share?.perVm ?? []).map(([, mib]) => mib));
}

const total = (shares: readonly Share[]): number => sum(shares.map(totalOf));
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
