/** Runs `git` with none of the user's configuration, hooks and credential helpers. */
import { spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProviderError } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { printable } from "../../hosts/transport/printable";
import { Wait } from "../../hosts/wait/wait";
import type { Account } from "./gitServer";

export interface Finished {
  code: number;
  stdout: string;
  /** The last lines, safe for a terminal. */
  stderr: string;
}

const MOST_PRINTED = 4_000_000;
const LAST_LINES = 20;

/** Git's settings by its command line, for all commands. */
const SETTINGS = {
  "core.hooksPath": "/dev/null",
  "credential.helper": "",
  "gc.auto": "0",
  "maintenance.auto": "false",
  "http.proxy": "",
  "http.followRedirects": "false",
  "advice.detachedHead": "false",
} as const;

/** `directory`: a private one, which is also Git's home. `account`: for the server. */
export class Git {
  constructor(
    private readonly directory: string,
    account?: Account,
  ) {
    if (account === undefined) return;
    writeFileSync(join(directory, "user"), account.user, { mode: 0o600 });
    writeFileSync(join(directory, "password"), account.password, { mode: 0o600 });
    const file = join(directory, "askpass");
    writeFileSync(file, ASKPASS, { mode: 0o700 });
    chmodSync(file, 0o700);
  }

  /** Rejects if git cannot run, or was stopped. */
  run(call: Call, doing: string, args: readonly string[]): Promise<Finished> {
    const settings = Object.entries(SETTINGS).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    const wait = new Wait(doing, call);
    return new Promise((resolve, reject) => {
      const child = spawn("git", [...settings, ...args], {
        cwd: this.directory,
        env: this.environment(),
        stdio: ["ignore", "pipe", "pipe"],
        signal: wait.signal,
      });
      const printed = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (chunk: string) => {
          printed[name] = (printed[name] + chunk).slice(-MOST_PRINTED);
        });
      }
      child.on("error", (error) => {
        reject(error.name === "AbortError" ? wait.over() : cannotRun(doing, error));
      });
      child.on("close", (code) => {
        const { stdout, stderr } = printed;
        resolve({ code: code ?? -1, stdout, stderr: lastLines(stderr) });
      });
    });
  }

  /** The same, and rejects if git fails. */
  async require(call: Call, doing: string, args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(call, doing, args);
    if (code === 0) return stdout;
    throw new ProviderError("operation", `${doing}: git ended with code ${code}:\n${stderr}`);
  }

  private environment(): Record<string, string> {
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: this.directory,
      LC_ALL: "C",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_TERMINAL_PROMPT: "0",
      GIT_NO_REPLACE_OBJECTS: "1",
      GIT_ASKPASS: join(this.directory, "askpass"),
      NO_PROXY: "*",
    };
  }
}

/** Git calls it with its question: `Password for ...: `. */
const ASKPASS = `#!/bin/sh
case "$1" in
Username*) exec cat "\${0%/*}/user" ;;
*) exec cat "\${0%/*}/password" ;;
esac
`;

function cannotRun(doing: string, error: Error): ProviderError {
  return new ProviderError(
    "operation",
    `${doing}: cannot run git: ${error.message}`,
    "Install Git on this machine.",
  );
}

function lastLines(text: string): string {
  return text
    .trimEnd()
    .split(/[\n\r]+/)
    .slice(-LAST_LINES)
    .map(printable)
    .join("\n");
}
