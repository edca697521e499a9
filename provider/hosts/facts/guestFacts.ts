/** Parses the probe of a guest, which scripts/guests/guest-probe.sh prints. Pure. */
import { ProviderError } from "../../errors";
import type { Probe, Taken } from "./cache";
import { parseK0sFacts } from "./k0sFacts";
import type { K0sFacts } from "./k0sFacts";

export interface GuestFacts extends Taken {
  machineId: string;
  hostname: string;
  clockSeconds: number;
  /** When the provider received the answer, in seconds since the epoch by its own clock. */
  readAtSeconds: number;
  /** The running system: the target of /run/current-system. Empty without such a link. */
  system: string;
  /** Undefined if the guest has no unit k0s. */
  k0s: K0sFacts | undefined;
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

/** Parses the lines of a guest's probe. An incomplete answer is an error. */
export function parseGuestFacts(name: string, lines: string[], readAtSeconds: number): GuestFacts {
  const fields = new Map<string, string>();
  const k0s: string[][] = [];
  for (const line of lines) {
    const [key = "", value = "", ...rest] = line.split("\t");
    if (key === "k0s") k0s.push([value, ...rest]);
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
    k0s: parseK0sFacts(k0s),
  };
}

function malformed(name: string, what: string): ProviderError {
  return new ProviderError("operation", `${name}: the answer of the guest's probe ${what}`);
}

export const GUEST_PROBE: Probe<GuestFacts> = { script: "guest-probe", parse: parseGuestFacts };
