/** What is to be done next for a host's system. Pure. */
import type { HostFacts } from "../../hosts/facts/facts";
import type { Inputs } from "./nixosSystemState";

/**
 * switch: activate it on trial; reboot: boot it once, on trial; confirm: that boot was reached; settle: that boot has
 * failed; default: make it the default of the next boot.
 */
export type Step = "switch" | "reboot" | "confirm" | "settle" | "default" | "done";

/** `owned`: the record on the host is ours and as we wrote it. */
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
