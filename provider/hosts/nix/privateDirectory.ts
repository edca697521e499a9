/**
 * Private directories for files that another program reads, for example a secret key. They are
 * removed when the work ends, or when this process exits. Directories of a killed process are
 * removed when the next provider is configured.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "pulumi-microvm-copy";
const NAME = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)-(\\d+)-[A-Za-z0-9]+$`);
const live = new Set<string>();

/** Runs the work with a directory that only this user can enter. */
export async function withPrivateDirectory<T>(work: (path: string) => Promise<T>): Promise<T> {
  const { pid } = process;
  const name = `${PREFIX}-${pid}-${startOf(pid) ?? 0}-${pidNamespace()}-`;
  const path = fs.mkdtempSync(join(base(), name));
  // process.exit does not run `finally` blocks.
  if (live.size === 0) process.once("exit", removeLive);
  live.add(path);
  try {
    return await work(path);
  } finally {
    remove(path);
    live.delete(path);
    if (live.size === 0) process.removeListener("exit", removeLive);
  }
}

function removeLive(): void {
  for (const path of live) remove(path);
}

function remove(path: string): void {
  fs.rmSync(path, { recursive: true, force: true });
}

/** Removes directories of ended processes of this user. Skips those it cannot inspect. */
export function sweepPrivateDirectories(): void {
  for (const name of namesIn(base())) {
    const [, pid = "", start = "", namespace] = NAME.exec(name) ?? [];
    // The processes of another container are not visible here.
    if (namespace !== pidNamespace() || isAlive(Number(pid), start)) continue;
    try {
      const path = join(base(), name);
      if (fs.lstatSync(path).uid === process.getuid?.()) remove(path);
    } catch {
      continue;
    }
  }
}

/** XDG_RUNTIME_DIR is preferred: it is in memory and is removed at logout. */
function base(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"] ?? "";
  return runtime !== "" && fs.existsSync(runtime) ? runtime : tmpdir();
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

/** PIDs are reused, so the start time is compared too. */
function isAlive(pid: number, start: string): boolean {
  if (fs.existsSync("/proc/self/stat")) return startOf(pid) === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/**
 * Start time in clock ticks since the boot: field 22 of proc_pid_stat(5). Parsed behind the last
 * `)`, because the process name can contain any character.
 */
function startOf(pid: number): string | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(fs.readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}
