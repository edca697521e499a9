/**
 * What the lab has made on this machine, by unique ids. `down` removes exactly that, also after a
 * crash: each id is recorded before the thing is made, or immediately after.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { stateDirectory } from "./paths";
import { waitFor } from "./progress";

/** A process. Its number can be reused; its number and start time together cannot. */
export const processId = z.object({ pid: z.number(), startTime: z.string() });
export type ProcessId = z.infer<typeof processId>;

const stateSchema = z.object({
  version: z.literal(1),
  /** Of the running kernel: after a reboot of the machine nothing in this state exists. */
  bootId: z.string(),
  processes: z.record(z.string(), processId),
  namespaces: z.array(z.string()),
});
export type State = z.infer<typeof stateSchema>;

const file = join(stateDirectory, "state.json");

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

export function loadState(): State {
  const empty: State = { version: 1, bootId: bootId(), processes: {}, namespaces: [] };
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return empty;
  }
  const state = stateSchema.parse(JSON.parse(text));
  return state.bootId === empty.bootId ? state : empty;
}

export function changeState(change: (state: State) => void): void {
  const state = loadState();
  change(state);
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Records a process that was just started, under a name that the lab chose. */
export function recordProcess(name: string, pid: number | undefined): void {
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  if (pid === undefined || startTime === undefined) throw new Error(`${name} did not start`);
  changeState((state) => {
    state.processes[name] = { pid, startTime };
  });
}

/** The recorded process of that name, if it is still running. */
export function runningProcess(name: string): ProcessId | undefined {
  const recorded = loadState().processes[name];
  return recorded !== undefined && isRunning(recorded) ? recorded : undefined;
}

/** Stops a recorded process: with SIGTERM, and after `politeSeconds` with SIGKILL. */
export async function stopProcess(name: string, politeSeconds: number): Promise<void> {
  const recorded = runningProcess(name);
  if (recorded === undefined) return;
  const gone = (): Promise<string | undefined> =>
    Promise.resolve(isRunning(recorded) ? `process ${recorded.pid} is still running` : undefined);
  if (politeSeconds > 0) {
    process.kill(recorded.pid, "SIGTERM");
    await waitFor(`${name} to stop`, politeSeconds, gone).catch(() => undefined);
  }
  if (isRunning(recorded)) process.kill(recorded.pid, "SIGKILL");
  await waitFor(`${name} to be gone`, 20, gone);
}

export function isRunning({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime;
}

/** Field 22 of /proc/PID/stat. Undefined for a process that has ended, also if it is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field, the command's name, may contain spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : fields[19];
}
