/**
 * Runs `pulumi preview` and takes what it wrote. Files with secrets are readable by the user alone.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NOTICES_FILE } from "../../contract/notices";
import type { Recording } from "./build";

export interface PreviewOptions {
  /** The user's project. */
  directory: string;
  /** Undefined: the selected stack. */
  stack: string | undefined;
  /** More arguments for `pulumi preview`. */
  args: readonly string[];
}

/** Lines of stderr that a report shows if the engine had no event. */
const MOST_LINES = 40;

export async function runPreview({ directory, stack, args }: PreviewOptions): Promise<Recording> {
  const place = mkdtempSync(join(tmpdir(), "pulumi-microvm-preview-"));
  const [events, notices, plan] = [
    join(place, "events"),
    join(place, "notices"),
    join(place, "plan"),
  ];
  try {
    for (const file of [events, notices, plan]) writeFileSync(file, "", { mode: 0o600 });
    const command = ["preview", "--diff", "--color=never", "--non-interactive"];
    const log = [`--event-log=${events}`, ...(stack === undefined ? [] : [`--stack=${stack}`])];
    // The event log has no secrets. The plan has them, so that a change of one changes the hash.
    const secrets = [`--save-plan=${plan}`, "--show-secrets"];
    const env = { PULUMI_DEBUG_COMMANDS: "true", [NOTICES_FILE]: notices };
    const words = [...command, ...log, ...secrets, ...args];
    const { exitCode, stderr } = await silently(words, directory, env);
    const read = (file: string): string => readFileSync(file, "utf8");
    const files = { events: read(events), notices: read(notices), plan: read(plan) };
    return { ...files, stderr, exitCode };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Pulumi prints secrets to stdout here, so nobody reads it. */
function silently(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ exitCode: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let lines: string[] = [""];
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      const [first = "", ...more] = text.split("\n");
      lines = [...lines.slice(0, -1), `${lines.at(-1) ?? ""}${first}`, ...more].slice(-MOST_LINES);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ exitCode: code ?? 1, stderr: lines.join("\n") }));
    passSignals(child);
  });
}

/** The engine ends by itself when it is asked, and releases the lock of the stack. */
export function passSignals(child: ReturnType<typeof spawn>): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const pass = (): void => void child.kill(signal);
    process.on(signal, pass);
    child.once("close", () => process.off(signal, pass));
  }
}
