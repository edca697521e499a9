/** What a change of a host's system means, for a reviewer. Pure. */
import { knownChanges } from "../../packages";
import type { Inputs, State } from "./nixosSystemState";

/** `hv1: system OLD -> NEW; packages: ...; reboots: ...`; undefined where nothing of it changes. */
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

function rebootOf({ rebootPolicy }: Inputs): string {
  switch (rebootPolicy) {
    case "ifRequired":
      return "reboots: kernel or initrd changes; its VMs are stopped, and start again";
    case "never":
      return "kernel or initrd changes: needs a reboot that rebootPolicy never leaves to you";
  }
}

/**
 * Whether the wanted system has another kernel, initrd or modules than those that were booted; undefined where that
 * can't be known before it is there.
 */
export function needsReboot(
  wanted: Inputs,
  state: State | undefined,
  before: Inputs | undefined,
): boolean | undefined {
  if (state === undefined) return undefined;
  if (state.toplevel === wanted.toplevel) return state.rebootRequired;
  // What is known of the system that runs is what was recorded with it.
  if (before?.toplevel !== state.toplevel || before.bootHash === "" || wanted.bootHash === "") {
    return undefined;
  }
  const isSame = before.bootHash === wanted.bootHash;
  if (!state.rebootRequired) return !isSame;
  // It runs on another kernel than its own; a third one may be the one that was booted.
  return isSame ? true : undefined;
}
