/**
 * k0s and the programs of Kubernetes are made by a process of their own, beside everything else: it
 * takes half an hour of processor time where nothing can be downloaded.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout, stateDirectory } from "../paths";
import { say, step, waitFor } from "../progress";
import { recordProcess, runningProcess, stopProcess } from "../state";
import { ensureK0s, k0sDirectory } from "./ensure";

const PROCESS = "k0s build";
const LIMIT_SECONDS = 4 * 3600;
const log = join(stateDirectory, "k0s-build.log");

export const isK0sMade = (): boolean => existsSync(k0sDirectory());

/** Starts the process, if there is anything to make. It goes on after this command. */
export function beginK0s(): void {
  if (isK0sMade() || runningProcess(PROCESS) !== undefined) return;
  const output = openSync(log, "w", 0o600);
  const main = join(checkout, "bin", "lab", "kubernetes", "main.js");
  const made = spawn(process.execPath, [main, "background"], {
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  made.unref();
  recordProcess(PROCESS, made.pid);
  say(`  k0s and Kubernetes are made in the background, with low priority: ${log}`);
}

/** Waits until they are made. If the process failed, this one tries, and shows why. */
export async function awaitK0s(): Promise<void> {
  const ended = (): Promise<string | undefined> =>
    Promise.resolve(runningProcess(PROCESS) === undefined ? undefined : lastLine());
  if (!isK0sMade() && runningProcess(PROCESS) !== undefined) {
    await step(
      "waiting for k0s and Kubernetes",
      () => waitFor("the process that makes them", LIMIT_SECONDS, ended),
      () => `, ${lastLine()}`,
    );
  }
  await ensureK0s();
}

export const stopMakingK0s = (): Promise<void> => stopProcess(PROCESS, 10);

const lastLine = (): string => readFileSync(log, "utf8").trim().split("\n").pop()?.trim() ?? "";
