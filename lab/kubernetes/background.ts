/**
 * k0s, the programs of Kubernetes and what runs in pods are made by a process of their own, beside
 * everything else: it takes an hour of processor time where nothing can be downloaded.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout, stateDirectory } from "../paths";
import { say, step, waitFor } from "../progress";
import { recordProcess, runningProcess, stopProcess } from "../state";
import { addOnDirectory, ensureAddOn, ensureK0s, k0sDirectory, type AddOn } from "./ensure";

const PROCESS = "k0s build";
const LIMIT_SECONDS = 4 * 3600;
const log = join(stateDirectory, "k0s-build.log");

export const isK0sMade = (): boolean => existsSync(k0sDirectory());
const isMade = (addOn: AddOn): boolean => existsSync(addOnDirectory(addOn));

/**
 * Starts the process, if there is anything to make: k0s, then these in their order. It goes on
 * after this command.
 */
export function beginK0s(addOns: readonly AddOn[]): void {
  const missing = addOns.filter((addOn) => !isMade(addOn));
  if ((isK0sMade() && missing.length === 0) || runningProcess(PROCESS) !== undefined) return;
  const output = openSync(log, "w", 0o600);
  const main = join(checkout, "bin", "lab", "kubernetes", "main.js");
  const made = spawn(process.execPath, [main, "background", ...missing], {
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  made.unref();
  recordProcess(PROCESS, made.pid);
  const what = ["k0s", "Kubernetes", ...missing.filter((addOn) => addOn !== "stand-in")].join(", ");
  say(`  ${what}: made in the background, with low priority: ${log}`);
}

/** Waits until k0s is made. If the process failed, this one tries, and shows why. */
export async function awaitK0s(): Promise<void> {
  await awaitMade("k0s and Kubernetes", isK0sMade);
  await ensureK0s();
}

/** The same for what runs in pods. */
export async function awaitAddOn(addOn: AddOn): Promise<string> {
  await awaitMade(addOn, () => isMade(addOn));
  return ensureAddOn(addOn);
}

async function awaitMade(what: string, made: () => boolean): Promise<void> {
  const ended = (): Promise<string | undefined> =>
    Promise.resolve(made() || runningProcess(PROCESS) === undefined ? undefined : lastLine());
  if (!made() && runningProcess(PROCESS) !== undefined) {
    await step(
      `waiting for ${what}`,
      () => waitFor("the process that makes them", LIMIT_SECONDS, ended),
      () => `, ${lastLine()}`,
    );
  }
}

export const stopMakingK0s = (): Promise<void> => stopProcess(PROCESS, 10);

const lastLine = (): string => readFileSync(log, "utf8").trim().split("\n").pop()?.trim() ?? "";
