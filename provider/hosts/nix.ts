/** Building closures here and copying them to hosts: Nix and OpenSSH as they are, with the same pins. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProviderError } from "../errors";
import type { ProviderConfig, SshHop } from "./config";
import type { Call } from "./host";
import { printable } from "./printable";

const NIX = ["--extra-experimental-features", "nix-command flakes"];

/**
 * Builds the derivations of `name` on this machine; what is there already costs nothing. Fails with the end of
 * what Nix printed, which holds the end of the builder's log.
 */
export async function build(call: Call, name: string, derivations: string[]): Promise<void> {
  call.status("building");
  const doing = `${name}: building on this machine`;
  await run(call, doing, "nix-store", ["--realise", ...derivations], {});
}

/** Copies store paths of `name`, or derivations with all that they need, to a host. */
export async function copy(
  call: Call,
  name: string,
  host: { name: string; hop: SshHop; config: ProviderConfig },
  paths: string[],
  what: "outputs" | "derivations",
): Promise<void> {
  call.status(`copying to ${host.name}`);
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-"));
  try {
    const file = writeSshConfig(directory, host);
    await run(
      call,
      `${host.name}: copying ${name} to it`,
      "nix",
      [
        ...NIX,
        "copy",
        "--no-check-sigs",
        ...(what === "derivations" ? ["--derivation"] : []),
        "--to",
        storeOf(host.hop.user),
        ...paths,
      ],
      { NIX_SSHOPTS: `-F ${file}` },
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The host's store. Whoever is not root there gets at it through sudo, as for everything else. */
function storeOf(user: string): string {
  const store = `ssh-ng://${user}@${alias(0)}`;
  return user === "root" ? store : `${store}?remote-program=sudo%20-n%20nix-daemon`;
}

/** An ssh_config with strict checking against pins of its own, and the jump hosts. Mode 0600. */
function writeSshConfig(directory: string, host: { hop: SshHop; config: ProviderConfig }): string {
  const hops: SshHop[] = [];
  for (let hop: SshHop | undefined = host.hop; hop !== undefined; hop = hop.jump) hops.push(hop);
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const known = write(
    "known_hosts",
    hops.map((hop, index) => `${alias(index)} ${hop.hostKey}\n`).join(""),
  );
  const identities = [...host.config.identityFiles];
  if (host.config.privateKey !== undefined) {
    identities.unshift(write("identity", `${host.config.privateKey.trim()}\n`));
  }
  const config = hops.map((hop, index) => stanza(hop, index, hops.length, known, identities, host));
  return write("config", config.join("\n"));
}

function stanza(
  hop: SshHop,
  index: number,
  count: number,
  known: string,
  identities: string[],
  host: { config: ProviderConfig },
): string {
  const lines = [
    `Host ${alias(index)}`,
    `  HostName ${hop.address}`,
    `  HostKeyAlias ${alias(index)}`,
    `  Port ${hop.port}`,
    `  User ${hop.user}`,
    "  BatchMode yes",
    "  StrictHostKeyChecking yes",
    `  UserKnownHostsFile ${known}`,
    "  GlobalKnownHostsFile /dev/null",
    "  UpdateHostKeys no",
    "  ControlPath none",
    "  ConnectTimeout 10",
    "  ServerAliveInterval 5",
    ...identities.map((file) => `  IdentityFile "${literal(file)}"`),
    ...(host.config.agent ? [] : ["  IdentityAgent none", "  IdentitiesOnly yes"]),
    ...(index + 1 < count ? [`  ProxyJump ${alias(index + 1)}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** In OpenSSH's configuration `%` and `${` begin what is put in. */
function literal(file: string): string {
  return file.replaceAll("%", "%%");
}

function alias(index: number): string {
  return index === 0 ? "pulumi-microvm-host" : `pulumi-microvm-jump${index}`;
}

/** Runs a program of Nix to its end; its standard error is what an error ends with. */
function run(
  call: Call,
  doing: string,
  program: string,
  args: string[],
  environment: Record<string, string>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
      signal: AbortSignal.any([
        call.signal,
        AbortSignal.timeout(Math.max(1, call.deadline - Date.now())),
      ]),
    });
    let printed = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      printed = (printed + chunk).slice(-MOST_PRINTED);
    });
    child.on("error", (error) => {
      if (error.name === "AbortError") {
        const cause = call.signal.aborted ? "cancelled" : "deadline";
        reject(new ProviderError(cause, `${doing}: ${program}: ${cause}`));
      } else {
        reject(
          new ProviderError(
            "nix",
            `${doing}: ${program} can't be run: ${error.message}`,
            "Install Nix on this machine; it evaluates and builds what the hosts run.",
          ),
        );
      }
    });
    child.on("close", (code) => {
      const ending = `${doing}: ${program} ended with code ${code ?? "none"}`;
      if (code === 0) resolve();
      else reject(new ProviderError("nix", `${ending}:\n${lastLines(printed)}`));
    });
  });
}

const MOST_PRINTED = 16_000;
const LAST_LINES = 60;

/** Whole lines, fit for a terminal. */
function lastLines(text: string): string {
  const lines = text.trimEnd().split("\n");
  if (text.length === MOST_PRINTED) lines.shift();
  return lines.slice(-LAST_LINES).map(printable).join("\n");
}
