/** What OpenSSH is given so that its logins hold the same pins as ours. Pure. */
import { join } from "node:path";
import type { ProviderConfig, SshHop } from "./config";

/** How to reach a host, and with which keys. */
export interface SshTarget {
  hop: SshHop;
  config: ProviderConfig;
}

/**
 * Files by name, for a directory that only this user gets into: `config`, with strict checking against pins of
 * its own and the jump hosts; `known_hosts`; and `identity` where the configuration holds a key.
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

/** What OpenSSH calls a hop: 0 is the host itself. */
export function alias(index: number): string {
  return index === 0 ? "pulumi-microvm-host" : `pulumi-microvm-jump${index}`;
}

/** In OpenSSH's configuration `%` and `${` begin what is put in. */
function literal(file: string): string {
  return file.replaceAll("%", "%%");
}
