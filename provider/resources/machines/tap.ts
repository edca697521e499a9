/** The taps of a `MicroVm`. Pure. scripts/machines/tap.sh connects them. */
import type { HostFacts, VmFact } from "../../hosts/facts/hostFacts";

const MISSING = "missing";

/** The bridge of each tap, or `none`, `down`, `missing`. */
export function tapsOf({ bridges }: HostFacts, vm: VmFact | undefined): string[] {
  if (vm?.active !== "active" || bridges === undefined) return [];
  return (vm.taps ?? []).map(({ name, link }): string => {
    if (link !== "up") return link;
    const bridge = [...bridges].find(([, { ports }]) => ports.includes(name));
    return bridge === undefined ? "none" : bridge[0];
  });
}

/**
 * The kind of change that connects the VM again. Undefined if that is not required. If a VM has
 * several taps, one of them must be on the bridge. The user's own modules manage the others.
 */
export function tapChange(
  { taps }: { taps: readonly string[] },
  { bridge }: { bridge?: string | undefined },
): "tap" | "tapMissing" | undefined {
  if (bridge === undefined || taps.length === 0 || taps.includes(bridge)) return undefined;
  return taps.every((tap) => tap === MISSING) ? "tapMissing" : "tap";
}
