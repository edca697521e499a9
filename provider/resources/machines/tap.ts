/** The part of `MicroVm` that is about its taps. Pure; scripts/machines/tap.sh connects them. */
import type { HostFacts, VmFact } from "../../hosts/facts/hostFacts";

const MISSING = "missing";

/** Of each tap the bridge that it is a port of, or `none`, `down`, `missing`. */
export function tapsOf({ bridges }: HostFacts, vm: VmFact | undefined): string[] {
  if (vm?.active !== "active" || bridges === undefined) return [];
  return (vm.taps ?? []).map(({ name, link }): string => {
    if (link !== "up") return link;
    const bridge = [...bridges].find(([, { ports }]) => ports.includes(name));
    return bridge === undefined ? "none" : bridge[0];
  });
}

/**
 * The kind of change that connects the VM again; undefined if that is not needed. A VM with several
 * taps needs one of them on the bridge: the others belong to its own modules.
 */
export function tapChange(
  { taps }: { taps: readonly string[] },
  { bridge }: { bridge?: string | undefined },
): "tap" | "tapMissing" | undefined {
  if (bridge === undefined || taps.length === 0 || taps.includes(bridge)) return undefined;
  return taps.every((tap) => tap === MISSING) ? "tapMissing" : "tap";
}
