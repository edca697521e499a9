/** Input fields that several resources share. Strict: what passes is inert in a path or a unit name. */
import { z } from "zod";
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";

export const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be lower-case letters, digits and '-', at most 63");

export const host = name.describe("The hypervisor, by its name in the provider's configuration.");

export const renamedFrom = name
  .optional()
  .describe("The former name, while the site states it: what is recorded under it is ours.");

export const machineId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, "must be a machine-id: 32 hexadecimal digits")
  .describe("/etc/machine-id of the host. Checked before anything is changed there.");

export const storePath = z
  .string()
  .regex(/^\/nix\/store\/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+$/, "must be a Nix store path");

export const absolutePath = z
  .string()
  .regex(/^(\/[A-Za-z0-9._@+-]+)+$/, "must be an absolute path of plain characters")
  .refine((path) => !path.split("/").includes(".."), "must not have '..'");

/** `HOST/NAME` of an id to import. */
export function splitId(id: string, shape: string): { host: string; rest: string } {
  const [hostName = "", ...rest] = id.split("/");
  if (name.safeParse(hostName).success && rest.length > 0) {
    return { host: hostName, rest: rest.join("/") };
  }
  throw notAnId(id, shape);
}

export function notAnId(id: string, shape: string): ProviderError {
  return new ProviderError("input", `${id} is not an id to import`, `It has to be ${shape}.`);
}

/** What is on a host, as inputs; what no site could state is not imported. */
export function importable<T>(schema: z.ZodType<T>, found: object, id: string): T {
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
  throw new ProviderError("foreign", `${id} can't be imported as it is: ${faults.join("; ")}`);
}

export const interfaceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "must be the name of a network interface");

/** Right key, wrong machine: also a read must not mix two machines up. */
export function requireMachine(facts: HostFacts, hostName: string, expected: string): void {
  if (facts.machineId === expected) return;
  throw new ProviderError(
    "wrong-machine",
    `${hostName}: the machine-id is ${facts.machineId}, recorded is ${expected}: this is another machine`,
    "If the host was reinstalled on purpose, remove it from the site, run up, and add it again.",
  );
}
