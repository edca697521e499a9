/** The provider's configuration: the hosts, how to reach them, and the operator's credentials. */
import { homedir } from "node:os";
import { z } from "zod";
import { ProviderError } from "../../errors";

const hop = {
  /** IP address or DNS name. */
  address: z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9.:%-]*[A-Za-z0-9])?$/,
      "is neither an IP address nor a DNS name",
    ),
  port: z.int().min(1).max(65535).default(22),
  user: z.string().regex(/^[a-z_][a-z0-9_-]*$/, "is not a user name"),
  /** The pinned host key: `ssh-ed25519 AAAA...`. */
  hostKey: z.string().regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$/, "is not a public key"),
};

export interface SshHop {
  address: string;
  port: number;
  user: string;
  hostKey: string;
  jump?: SshHop | undefined;
}

const hopSchema: z.ZodType<SshHop> = z.lazy(() => z.object({ ...hop, jump: hopSchema.optional() }));

const hostSchema = z.object({
  ...hop,
  jump: hopSchema.optional(),
  /**
   * true: the provider does not contact the host, and its resources stay in the state unchanged.
   */
  maintenance: z.boolean().default(false),
  /**
   * true: the host is gone for good. The provider does not contact it. A deletion takes a resource
   * out of the state and changes nothing on the host.
   */
  forget: z.boolean().default(false),
  /** How many VMs may start, stop or restart at once. */
  parallelism: z.int().min(1).max(64).default(4),
  /** How long an operation may wait for locks, slots and turns, seconds. Default: 6 hours. */
  waitTimeoutSeconds: z.int().min(1).default(21_600),
  /** The previous name of the host. Resources recorded under it are reached under this name. */
  renamedFrom: z.string().optional(),
});
export type HostConfig = z.infer<typeof hostSchema>;

export const configSchema = z.object({
  /** Host name in the site -> how to reach it. */
  hosts: z.record(z.string(), hostSchema),
  /** Use the agent at SSH_AUTH_SOCK. */
  agent: z.boolean().default(true),
  /** Private key files, read in each run. `~` is the home directory of the current user. */
  identityFiles: z
    .array(
      z
        .string()
        .regex(/^[^\p{Cc}"]+$/u, "is not a file's name")
        .transform((file) => file.replace(/^~(?=\/)/, homedir())),
    )
    .default([]),
  /** A private key in OpenSSH format. A Pulumi secret: encrypted in the state. */
  privateKey: z.string().optional(),
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
