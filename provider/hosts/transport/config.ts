/** The provider's configuration: the hosts, how to reach them, and the operator's credentials. */
import { homedir } from "node:os";
import { z } from "zod";
import { clusterSchema } from "../../cluster/config";
import { ProviderError } from "../../errors";

const hop = {
  address: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.:%-]*[A-Za-z0-9])?$/, "is neither an IP address nor a DNS name")
    .describe("IP address or DNS name."),
  port: z.int().min(1).max(65535).default(22).describe("Port of its SSH server. Default: 22."),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]*$/, "is not a user name")
    .describe("User to log in as: root, or one that has sudo without a password."),
  hostKey: z
    .string()
    .regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/, "is not a public key")
    .describe("The pinned host key: `ssh-ed25519 AAAA...`."),
};

export interface SshHop {
  address: string;
  port: number;
  user: string;
  hostKey: string;
  jump?: SshHop | undefined;
}

const hopSchema: z.ZodType<SshHop> = z
  .lazy(() => z.object({ ...hop, jump: jumpHost() }))
  .meta({ id: "JumpHost" });
const jumpHost = () => hopSchema.optional().describe("The jump host before it. Default: none.");

const hostSchema = z
  .object({
    ...hop,
    jump: jumpHost(),
    maintenance: z
      .boolean()
      .default(false)
      .describe(
        "true: the provider does not contact the host, and its resources stay in the state " +
          "unchanged. Default: false.",
      ),
    forget: z
      .boolean()
      .default(false)
      .describe(
        "true: the host is gone for good. The provider does not contact it. A deletion takes a " +
          "resource out of the state and changes nothing on the host. Default: false.",
      ),
    parallelism: z
      .int()
      .min(1)
      .max(64)
      .default(4)
      .describe("How many VMs may start, stop or restart at once. Default: 4."),
    waitTimeoutSeconds: z
      .int()
      .min(1)
      .default(21_600)
      .describe("How long an operation may wait for locks, slots and turns. Default: 21600."),
    renamedFrom: z
      .string()
      .optional()
      .describe(
        "The previous name of the host. Resources recorded under it are reached under this name.",
      ),
  })
  .meta({ id: "Host" });
export type HostConfig = z.infer<typeof hostSchema>;

export const configSchema = z.object({
  hosts: z.record(z.string(), hostSchema).describe("Name of a host -> how to reach it."),
  agent: z.boolean().default(true).describe("Use the agent at SSH_AUTH_SOCK. Default: true."),
  identityFiles: z
    .array(
      z
        .string()
        .regex(/^[^\p{Cc}"]+$/u, "is not a file's name")
        .transform((file) => file.replace(/^~(?=\/)/, homedir())),
    )
    .default([])
    .describe(
      "Private key files, read in each run. `~` is the home directory of the current user. " +
        "Default: none.",
    ),
  privateKey: z
    .string()
    .optional()
    .describe("A private key in OpenSSH format. It is kept encrypted in the state."),
  helm: z
    .string()
    .min(1)
    .optional()
    .describe("The program `helm`, version 4, on this machine. Default: helm, found on PATH."),
  cluster: clusterSchema.optional().describe("The k0s cluster of the site. Default: none."),
});
export type ProviderConfig = z.infer<typeof configSchema>;

/** The current name of a host, by its current or its former name. */
export function nameOf({ hosts }: ProviderConfig, name: string): string {
  if (Object.hasOwn(hosts, name)) return name;
  return Object.keys(hosts).find((one) => hosts[one]?.renamedFrom === name) ?? name;
}

export function hostConfig(config: ProviderConfig, oldOrNewName: string): HostConfig {
  const name = nameOf(config, oldOrNewName);
  const host = Object.hasOwn(config.hosts, name) ? config.hosts[name] : undefined;
  if (host !== undefined) return host;
  throw new ProviderError(
    "input",
    `${name}: this host is not in the provider's configuration`,
    "Keep a hypervisor in the site until an `up` has removed everything from it.",
  );
}
