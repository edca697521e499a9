/** Explains a change of a host's system in one line of a preview. Pure. */
import type { Plan } from "../../../contract/notices";
import { knownChanges, knownPackageChanges } from "../../packages";
import type { Inputs, State } from "./nixosSystemState";

/** `hv1: system OLD -> NEW; packages: ...; reboots: ...`; undefined without a change. */
export function explainSystem(
  wanted: Inputs,
  state: State | undefined,
  before: Inputs | undefined,
): string | undefined {
  const changes = state?.toplevel !== wanted.toplevel;
  const parts = [
    ...(changes ? [`system ${state?.toplevel ?? "none"} -> ${wanted.toplevel}`] : []),
    ...(changes ? [knownChanges(before?.packages, wanted.packages) ?? []].flat() : []),
    ...(needsReboot(wanted, state, before) === true ? [rebootOf(wanted)] : []),
  ];
  return parts.length === 0 ? undefined : `${wanted.host}: ${parts.join("; ")}`;
}

/** The same for programs. */
export function planSystem(
  wanted: Inputs,
  state: State | undefined,
  before: Inputs | undefined,
): Plan {
  const changes = state?.toplevel !== wanted.toplevel;
  const packages = changes ? knownPackageChanges(before?.packages, wanted.packages) : [];
  const reboots = needsReboot(wanted, state, before);
  if (reboots === true) {
    const effect = wanted.rebootPolicy === "ifRequired" ? "reboot" : changes ? "live" : "nothing";
    return { effect, reason: rebootOf(wanted), packages };
  }
  if (!changes) return { effect: "nothing", reason: "", packages };
  const isOpen = reboots === undefined && wanted.rebootPolicy === "ifRequired";
  const reason = isOpen
    ? "the system changes; it reboots if the kernel does"
    : "the system changes";
  return { effect: "live", reason, packages };
}

function rebootOf({ rebootPolicy }: Inputs): string {
  switch (rebootPolicy) {
    case "ifRequired":
      return "reboots: kernel or initrd changes; its VMs stop and start again";
    case "never":
      return "kernel or initrd changes: reboot the host yourself (rebootPolicy: never)";
  }
}

/**
 * Does the wanted system have another kernel, initrd or kernel modules than the booted one?
 * Undefined if that is unknown before the system is on the host.
 */
export function needsReboot(
  wanted: Inputs,
  state: State | undefined,
  before: Inputs | undefined,
): boolean | undefined {
  if (state === undefined) return undefined;
  if (state.toplevel === wanted.toplevel) return state.rebootRequired;
  // The hash of the running system is known only from the recorded inputs.
  if (before?.toplevel !== state.toplevel || before.bootHash === "" || wanted.bootHash === "") {
    return undefined;
  }
  const isSame = before.bootHash === wanted.bootHash;
  if (!state.rebootRequired) return !isSame;
  // The booted kernel is not that of the running system. It may be that of the wanted system.
  return isSame ? true : undefined;
}
