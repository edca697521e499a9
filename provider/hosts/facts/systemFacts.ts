/** What the probe found of the host's own NixOS system, parsed. Pure. The other side is scripts/probe.sh. */

/** A system that runs and is not confirmed, or what is still to be done with it: scripts/system.sh. */
export interface Trial {
  phase: TrialPhase;
  /** The system that is tried. */
  toplevel: string;
  /** The system to go back to. */
  previous: string;
  /** The boot in which this was written. */
  bootId: string;
}

const PHASES = ["switching", "rolling-back", "confirmed", "booting"] as const;
export type TrialPhase = (typeof PHASES)[number];

export interface SystemFact {
  /** Store paths; empty where there is no such link: the host runs no NixOS. */
  current: string;
  booted: string;
  profile: string;
  /** Kernel, initrd or kernel modules of `current` are not those that were booted. */
  rebootRequired: boolean;
  trial?: Trial;
  /** The system that was tried last and given up; empty after a success. */
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

/** What a change of takes a reboot: as NixOS's own system.autoUpgrade.allowReboot has it. */
const BOOT_PARTS = ["kernel", "initrd", "kernel-modules"];

/** `one` answers the field behind a kind, or behind a kind and a key; empty where there is none. */
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
