/** Input fields of several resources. Valid values are safe in paths and unit names. */
import { z } from "zod";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";

export const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be lower-case letters, digits and '-', at most 63");

export const host = name.describe("Name of the hypervisor in the provider's configuration.");

export const renamedFrom = name
  .optional()
  .describe("The previous name. Records under it belong to this resource.");

export const machineId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, "must be a machine-id: 32 hexadecimal digits")
  .describe("/etc/machine-id of the host. The provider checks it before each change.");

export const storePath = z
  .string()
  .regex(/^\/nix\/store\/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+$/, "must be a Nix store path");

export const absolutePath = z
  .string()
  .regex(/^(\/[A-Za-z0-9._@+-]+)+$/, "must be an absolute path of plain characters")
  .refine((path) => !path.split("/").includes(".."), "must not have '..'");

export const caFingerprint = z
  .string()
  .regex(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/, "must be a SHA-256 fingerprint: AB:CD:...");

/** Where a closure is built: on the operator's machine, or on the host. */
export const buildPlace = z.enum(["operator", "host"]).meta({ id: "BuildPlace" });

/** Splits the id of an import, `HOST/NAME`. */
export function splitId(id: string, shape: string): { host: string; rest: string } {
  const [hostName = "", ...rest] = id.split("/");
  if (name.safeParse(hostName).success && rest.length > 0) {
    return { host: hostName, rest: rest.join("/") };
  }
  throw notAnId(id, shape);
}

export function notAnId(id: string, shape: string): ProviderError {
  return new ProviderError("input", `${id} is not a valid import id`, `Use ${shape}.`);
}

/** The inputs of an existing object. Fails if a site cannot describe the object. */
export function importable<T>(schema: z.ZodType<T>, found: object, id: string): T {
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  throw new ProviderError("foreign", `${id} can't be imported as it is: ${faults.join("; ")}`);
}

export const interfaceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "must be the name of a network interface");

/** The host key can be right although the machine is wrong, so reads check the machine-id too. */
export function requireMachine(facts: HostFacts, hostName: string, expected: string): void {
  if (facts.machineId === expected) return;
  throw new ProviderError(
    "wrong-machine",
    `${hostName}: the machine-id is ${facts.machineId}, not ${expected}: this is another machine`,
    "If it was reinstalled on purpose: set forget: true for the host, run up, remove forget.",
  );
}
