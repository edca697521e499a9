/** What the probe finds in a guest, parsed. Pure. The other side is scripts/guests/guest-probe.sh. */
import { ProviderError } from "../../errors";
import type { Probe, Taken } from "./cache";

export interface GuestFacts extends Taken {
  machineId: string;
  hostname: string;
  clockSeconds: number;
  /** When the provider had the answer, seconds since the epoch by its own clock. */
  readAtSeconds: number;
  /** The system that runs: the target of /run/current-system; empty where there is none. */
  system: string;
}

const FIELDS: Readonly<Record<string, RegExp>> = {
  "machine-id": /^[0-9a-f]{32}$/,
  hostname: /^/,
  clock: /^\d{1,15}$/,
  taken: /^\d{1,15}$/,
  "boot-id": /^[0-9a-f-]{0,36}$/,
  system: /^(\/nix\/store\/[^/\s]+)?$/,
  probed: /^$/,
};

/** Parses the lines of a guest's probe. An answer that is not whole is an error. */
export function parseGuestFacts(name: string, lines: string[], readAtSeconds: number): GuestFacts {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [key = "", value = ""] = line.split("\t");
    if (FIELDS[key]?.test(value) !== true) continue;
    if (fields.has(key)) throw malformed(name, `has ${key} twice`);
    fields.set(key, value);
  }
  const missing = Object.keys(FIELDS).filter((key) => !fields.has(key));
  if (missing.length > 0) throw malformed(name, `lacks ${missing.join(", ")}`);
  const field = (key: string): string => fields.get(key) ?? "";
  return {
    bootId: field("boot-id"),
    takenAt: Number(field("taken")),
    machineId: field("machine-id"),
    hostname: field("hostname"),
    clockSeconds: Number(field("clock")),
    readAtSeconds,
    system: field("system"),
  };
}

function malformed(name: string, what: string): ProviderError {
  return new ProviderError("operation", `${name}: the answer of the guest's probe ${what}`);
}

export const GUEST_PROBE: Probe<GuestFacts> = { script: "guest-probe", parse: parseGuestFacts };
