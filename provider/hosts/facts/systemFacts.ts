/**
 * Parses the facts about the host's own NixOS system, which scripts/hosts/probe.sh prints. Pure.
 */

/** A trial of a system that has not ended: scripts/hosts/system.sh. */
export interface Trial {
  phase: TrialPhase;
  /** The system on trial. */
  toplevel: string;
  /** The system to roll back to. */
  previous: string;
  /** The boot in which the trial was recorded. */
  bootId: string;
}

const PHASES = ["switching", "rolling-back", "confirmed", "booting"] as const;
export type TrialPhase = (typeof PHASES)[number];

export interface SystemFact {
  /** Store paths. Empty without such a link: the host does not run NixOS. */
  current: string;
  booted: string;
  profile: string;
  /** `current` has another kernel, initrd or kernel modules than `booted`. */
  rebootRequired: boolean;
  trial?: Trial;
  /** The system that was last rolled back; empty after a confirmed switch. */
  rolledBack: string;
}

const TEXT = /^/;
const STORE_PATH = /^\/nix\/store\/[^/]+$/;
export const SYSTEM_SHAPES: [string, RegExp[]][] = [
  ["boot-id", [TEXT]],
  ["system", [/^[a-z-]+$/, TEXT]],
  ["trial", [TEXT]],
  ["rolled-back", [TEXT]],
];

/** A change of these parts requires a reboot, as in NixOS's system.autoUpgrade.allowReboot. */
const BOOT_PARTS = ["kernel", "initrd", "kernel-modules"];

/** `one` returns the field of a kind, or of a kind and a key; empty if there is none. */
export function parseSystem(one: (kind: string, key?: string) => string): SystemFact {
  const systemAt = (key: string): string => {
    const target = one("system", key);
    return STORE_PATH.test(target) ? target : "";
  };
  const current = systemAt("current");
  const booted = systemAt("booted");
  const differs = (part: string): boolean =>
    one("system", `current-${part}`).replace(current, "") !==
    one("system", `booted-${part}`).replace(booted, "");
  const trial = parseTrial(one("trial"));
  return {
    current,
    booted,
    profile: systemAt("profile"),
    rebootRequired: current !== "" && booted !== "" && BOOT_PARTS.some(differs),
    ...(trial === undefined ? {} : { trial }),
    rolledBack: one("rolled-back"),
  };
}

/** `PHASE NEW PREVIOUS BOOT_ID`. */
function parseTrial(line: string): Trial | undefined {
  const [word = "", toplevel = "", previous = "", bootId = ""] = line.split(" ");
  const phase = PHASES.find((known) => known === word);
  return phase === undefined ? undefined : { phase, toplevel, previous, bootId };
}
