/** A scripted SSH server that runs what it receives in a sandbox. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { COMMAND } from "../../provider/hosts/transport/script";
import { startScriptedHost } from "../grpc/scriptedHost";
import type { Exec, ScriptedHost } from "../grpc/scriptedHost";
import type { Sandbox } from "./sandbox";

export interface SandboxHost {
  ssh: ScriptedHost;
  /** The number of operations that run normally before the next one is disturbed. */
  pass: number;
  /** The operation is killed before this counted command. 0: it is not killed. */
  killAt: number;
  /** Drops the connection before the operation runs, or before its answer. */
  cut: "before" | "behind" | "never";
}

export async function startSandboxHost(box: Sandbox, accepted: string): Promise<SandboxHost> {
  const host: SandboxHost = {
    ssh: await startScriptedHost(accepted),
    ...NOTHING,
  };
  let last = Promise.resolve();
  // One at a time, because the sandbox counts the commands of one script at a time.
  host.ssh.onExec = (exec) => {
    last = last.then(() => serve(box, host, exec));
  };
  return host;
}

async function serve(box: Sandbox, host: SandboxHost, exec: Exec): Promise<void> {
  const { killAt, cut } = fate(host, exec);
  if (cut !== "before") {
    const { output, code } = await execute(box, moved(box, exec.stdin), killAt);
    if (cut !== "behind") {
      answer(exec, box.movedBack(output), code);
      return;
    }
  }
  exec.drop();
}

const NOTHING = { pass: 0, killAt: 0, cut: "never" } as const;

/** Runs an operation with its disturbance. A probe is never disturbed. */
function fate(host: SandboxHost, exec: Exec): Pick<SandboxHost, "killAt" | "cut"> {
  if (exec.operation === undefined) return NOTHING;
  const { pass, killAt, cut } = host;
  if (pass > 0) {
    host.pass -= 1;
    return NOTHING;
  }
  Object.assign(host, NOTHING);
  return { killAt, cut };
}

function answer({ channel }: Exec, output: string, code: number | null): void {
  channel.write(output);
  if (code === null) channel.exit("SIGKILL", false, "");
  else channel.exit(code);
  channel.end();
}

function execute(
  box: Sandbox,
  stdin: string,
  killAt: number,
): Promise<{ output: string; code: number | null }> {
  fs.writeFileSync(box.path("count"), "0");
  return new Promise((resolve, reject) => {
    const child = spawn("setsid", ["--wait", "/bin/sh", "-c", COMMAND], {
      cwd: box.root,
      env: box.environment(killAt),
      stdio: ["pipe", "pipe", "ignore"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => resolve({ output, code }));
    child.stdin.end(stdin);
  });
}

/** Parses stdin with the sandbox's paths: a script, its parameters, and optionally both again. */
function moved(box: Sandbox, stdin: string): string {
  const { script, rest } = unframed(stdin);
  const end = rest.indexOf("\n\n") + 2;
  const payload = rest.slice(end);
  const inner = payload === "" ? "" : reframed(box, payload);
  return framed(box.moved(script)) + box.moved(rest.slice(0, end)) + inner;
}

function reframed(box: Sandbox, payload: string): string {
  const { script, rest } = unframed(payload);
  return framed(box.moved(script)) + box.moved(rest);
}

const framed = (script: string): string => `${Buffer.byteLength(script)}\n${script}`;

/** Reads a script that follows a line with its length in bytes. */
function unframed(text: string): { script: string; rest: string } {
  const bytes = Buffer.from(text);
  const start = bytes.indexOf("\n") + 1;
  const end = start + Number(bytes.subarray(0, start));
  return { script: bytes.subarray(start, end).toString(), rest: bytes.subarray(end).toString() };
}
