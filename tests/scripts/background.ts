/** Runs host scripts in parallel in one sandbox. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { encodeParameters, script } from "../../provider/hosts/transport/script";
import { MACHINE, NONCE } from "./sandbox";
import type { Sandbox } from "./sandbox";

export interface Ended {
  code: number | null;
  output: string;
}

let runs = 0;

/** Runs a text with parameters in the background. `payload` follows the parameters on stdin. */
export function runText(
  box: Sandbox,
  text: string,
  parameters: Record<string, string>,
  payload = "",
): Promise<Ended> {
  fs.writeFileSync(box.path("count"), "0");
  const file = box.path(`script-${(runs += 1)}`);
  fs.writeFileSync(file, box.moved(text));
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", [file], { cwd: box.root, env: box.environment(0) });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
    child.stdin.end(encodeParameters({ nonce: NONCE, ...parameters }) + payload);
  });
}

/**
 * Runs an operation as the provider sends it. `waitSeconds` limits the wait for locks and slots.
 */
export function operate(
  box: Sandbox,
  name: string,
  parameters: Record<string, string>,
  waitSeconds = 30,
): Promise<Ended> {
  return runText(box, script(name), {
    operation: `op-${runs + 1}`,
    doing: name,
    machine_id: MACHINE,
    wait_seconds: String(waitSeconds),
    ...parameters,
  });
}

/** The script and the input of a provider call that starts an operation or attaches to it. */
export interface Sent {
  text: string;
  parameters: Record<string, string>;
  payload: string;
}

export function sent(
  box: Sandbox,
  name: string,
  id: string,
  parameters: Record<string, string>,
): Sent {
  const inner = box.moved(script(name));
  const common = { nonce: NONCE, operation: id, doing: name, machine_id: MACHINE };
  const all = { ...common, wait_seconds: "60", ...parameters };
  return {
    text: script("probe", "operate"),
    parameters: { nonce: "outer", nonce_inner: NONCE, operation: id },
    payload: `${Buffer.byteLength(inner)}\n${inner}${encodeParameters(all)}`,
  };
}

/**
 * Runs units like systemd: an operation continues without its caller. The default stub does not.
 */
export function startUnitsApart(box: Sandbox): void {
  replace(box, "systemd-run", 'while [ "$1" != /bin/sh ]; do shift; done\nsetsid "$@" &');
}

/** Replaces a command. In the text, `$REAL` is the original command. */
export function replace(box: Sandbox, name: string, text: string): void {
  const real = `REAL=$(PATH=$REAL_PATH command -v ${name})`;
  fs.writeFileSync(box.path("bin", name), `#!/bin/sh\n${real}\n${text}\n`, { mode: 0o755 });
}

/** Wraps the sandbox's stub of a command. In the text, `$STUB` is the stub. */
export function wrap(box: Sandbox, name: string, text: string): void {
  const stub = box.path("bin", `${name}.stub`);
  if (!fs.existsSync(stub)) fs.renameSync(box.path("bin", name), stub);
  const head = `#!/bin/sh\nSTUB=${stub}\n`;
  fs.writeFileSync(box.path("bin", name), `${head}${text}\n`, { mode: 0o755 });
}

/** Waits until a file exists in the sandbox. */
export async function appears(box: Sandbox, file: string): Promise<void> {
  for (let looks = 0; !fs.existsSync(box.path(file)); looks++) {
    if (looks > 1000) throw new Error(`no ${file}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
