/**
 * What the lab has made on this machine, by ids that nothing else can have, so that `down` removes
 * that and only that, also after a crash: an id is recorded before, or at once after, it is made.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { stateDirectory } from "./paths";
import { waitFor } from "./progress";

/** A process: its number is used again some day, its number and start time are not. */
const processId = z.object({ pid: z.number(), startTime: z.string() });
export type ProcessId = z.infer<typeof processId>;

const stateSchema = z.object({
  version: z.literal(1),
  /** Of the kernel that all of this belongs to; after a reboot of the machine it is gone. */
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

/** Records a process that was just started, under a name of the lab's. */
export function recordProcess(name: string, pid: number | undefined): void {
  const startTime = pid === undefined ? undefined : startTimeOf(pid);
  if (pid === undefined || startTime === undefined) throw new Error(`${name} did not start`);
  changeState((state) => {
    state.processes[name] = { pid, startTime };
  });
}

/** The recorded process of that name, if it still runs. */
export function runningProcess(name: string): ProcessId | undefined {
  const recorded = loadState().processes[name];
  return recorded !== undefined && isRunning(recorded) ? recorded : undefined;
}

/** Ends a recorded process: politely, and after the time given by force. */
export async function stopProcess(name: string, politeSeconds: number): Promise<void> {
  const recorded = runningProcess(name);
  if (recorded === undefined) return;
  const gone = (): Promise<string | undefined> =>
    Promise.resolve(isRunning(recorded) ? `process ${recorded.pid} still runs` : undefined);
  if (politeSeconds > 0) {
    process.kill(recorded.pid, "SIGTERM");
    await waitFor(`${name} to stop`, politeSeconds, gone).catch(() => undefined);
  }
  if (isRunning(recorded)) process.kill(recorded.pid, "SIGKILL");
  await waitFor(`${name} to be gone`, 20, gone);
}

function isRunning({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime;
}

/** Field 22 of /proc/PID/stat; undefined for a process that is gone or only waits to be reaped. */
function startTimeOf(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field, the command's name, may hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? undefined : fields[19];
}
