/** The next step for a host's system. Pure. */
import type { HostFacts } from "../../hosts/facts/hostFacts";
import type { Inputs } from "./nixosSystemState";

/**
 * - switch: activate the system on trial
 * - reboot: boot it once, on trial
 * - confirm: the host has booted it
 * - settle: its boot has failed
 * - default: make it the default of the next boot
 */
export type Step = "switch" | "reboot" | "confirm" | "settle" | "default" | "done";

/** `owned`: the ownership record on the host is ours and unchanged. */
export function nextStep(facts: HostFacts, wanted: Inputs, owned: boolean): Step {
  const { current, profile, rebootRequired, trial } = facts.system;
  if (trial?.phase === "booting" && trial.toplevel === wanted.toplevel) {
    if (trial.bootId === facts.bootId) return "reboot";
    return current === trial.toplevel ? "confirm" : "settle";
  }
  const isSettled = trial === undefined || trial.phase === "confirmed";
  if (!owned || !isSettled || current !== wanted.toplevel) return "switch";
  if (rebootRequired && wanted.rebootPolicy === "ifRequired") return "reboot";
  return trial !== undefined || profile !== wanted.toplevel ? "default" : "done";
}
