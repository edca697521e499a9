/** Configuration files for OpenSSH with the same pinned keys as our connections. Pure. */
import { join } from "node:path";
import type { ProviderConfig, SshHop } from "./config";

/** How to reach a host, and with which keys. */
export interface SshTarget {
  hop: SshHop;
  config: ProviderConfig;
}

/**
 * Files by name, for a directory that only this user can enter. `config` requires the pinned keys
 * of the host and its jump hosts. `known_hosts` has the pins. `identity` exists if the
 * configuration has a private key.
 */
export function sshFiles(directory: string, { hop, config }: SshTarget): Map<string, string> {
  const hops: SshHop[] = [];
  for (let one: SshHop | undefined = hop; one !== undefined; one = one.jump) hops.push(one);
  const pins = hops.map(({ hostKey }, index) => `${alias(index)} ${hostKey}\n`);
  const files = new Map([["known_hosts", pins.join("")]]);
  const identities = [...config.identityFiles];
  if (config.privateKey !== undefined) {
    files.set("identity", `${config.privateKey.trim()}\n`);
    identities.unshift(join(directory, "identity"));
  }
  const common = [
    "BatchMode yes",
    "StrictHostKeyChecking yes",
    `UserKnownHostsFile "${literal(join(directory, "known_hosts"))}"`,
    "GlobalKnownHostsFile /dev/null",
    "UpdateHostKeys no",
    "ControlPath none",
    "ConnectTimeout 10",
    "ServerAliveInterval 5",
    ...identities.map((file) => `IdentityFile "${literal(file)}"`),
    ...(config.agent ? [] : ["IdentityAgent none", "IdentitiesOnly yes"]),
  ];
  const stanzas = hops.map((one, index) =>
    [
      `Host ${alias(index)}`,
      `HostName ${literal(one.address)}`,
      `HostKeyAlias ${alias(index)}`,
      `Port ${one.port}`,
      `User ${one.user}`,
      ...common,
      ...(one.jump === undefined ? [] : [`ProxyJump ${alias(index + 1)}`]),
    ].join("\n  "),
  );
  return files.set("config", `${stanzas.join("\n\n")}\n`);
}

/** The name of a hop in the OpenSSH configuration. 0 is the host itself. */
export function alias(index: number): string {
  return index === 0 ? "pulumi-microvm-host" : `pulumi-microvm-jump${index}`;
}

/** Escapes `%`, which starts a token in OpenSSH's configuration. */
function literal(file: string): string {
  return file.replaceAll("%", "%%");
}
