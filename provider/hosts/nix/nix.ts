/** Builds closures on this machine and copies them to hosts, with Nix and OpenSSH. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProviderError } from "../../errors";
import type { Call } from "../operations/operation";
import { printable } from "../transport/printable";
import { withPrivateDirectory } from "./privateDirectory";
import { alias, sshFiles } from "../transport/sshConfig";
import type { SshTarget } from "../transport/sshConfig";
import { Wait } from "../wait/wait";

const NIX = ["--extra-experimental-features", "nix-command flakes"];

/**
 * Builds the derivations of `name` on this machine. Skips what is already built. The error contains
 * the last lines of Nix, with the end of the build log.
 */
export async function build(call: Call, name: string, derivations: string[]): Promise<void> {
  call.status("building");
  const doing = `${name}: building on this machine`;
  await run(call, doing, "nix-store", ["--realise", ...derivations], {});
}

/** Copies store paths of `name`, or derivations with their dependencies, to a host. */
export async function copy(
  call: Call,
  name: string,
  host: SshTarget & { name: string },
  paths: string[],
  what: "outputs" | "derivations",
): Promise<void> {
  call.status(`copying to ${host.name}`);
  const kind = what === "derivations" ? ["--derivation"] : [];
  const to = ["--to", storeOf(host.hop.user)];
  await withPrivateDirectory(async (directory) => {
    for (const [name, text] of sshFiles(directory, host)) {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
    }
    await run(
      call,
      `${host.name}: copying ${name} to it`,
      "nix",
      [...NIX, "copy", "--no-check-sigs", ...kind, ...to, ...paths],
      { NIX_SSHOPTS: `-F ${join(directory, "config")}` },
    );
  });
}

/** The host's Nix store. A user other than root reaches it with sudo. */
function storeOf(user: string): string {
  const store = `ssh-ng://${user}@${alias(0)}`;
  return user === "root" ? store : `${store}?remote-program=sudo%20-n%20nix-daemon`;
}

/** Runs a program of Nix. An error contains the end of its standard error. */
function run(
  call: Call,
  doing: string,
  program: string,
  args: string[],
  environment: Record<string, string>,
): Promise<void> {
  const wait = new Wait(doing, call);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
      signal: wait.signal,
    });
    let printed = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      printed = (printed + chunk).slice(-MOST_PRINTED);
    });
    child.on("error", (error) => {
      if (error.name === "AbortError") {
        const { reason } = wait.over();
        reject(new ProviderError(reason, `${doing}: ${program} was stopped: ${reason}`));
      } else {
        reject(
          new ProviderError(
            "nix",
            `${doing}: cannot run ${program}: ${error.message}`,
            "Install Nix on this machine. It evaluates and builds the systems of hosts and VMs.",
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

/** The last whole lines, safe for a terminal. */
function lastLines(text: string): string {
  const lines = text.trimEnd().split("\n");
  if (text.length === MOST_PRINTED) lines.shift();
  return lines.slice(-LAST_LINES).map(printable).join("\n");
}
