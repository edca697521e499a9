/** The processes that make the programs of Kubernetes: see background.ts, and ensure.ts. */
import { say } from "../progress";
import { ensureK0s, ensureKubernetes, make } from "./ensure";

/** Leads its process group: the compilers in it end with it. */
async function inBackground(): Promise<void> {
  process.once("SIGTERM", () => process.kill(-process.pid, "SIGKILL"));
  await ensureK0s();
}

/** For tests: the directory with the programs, which are made first. */
async function sayDirectory(): Promise<void> {
  process.stdout.write(`${await ensureKubernetes()}\n`);
}

const what = process.argv[2] ?? "programs";
const jobs: Readonly<Record<string, () => Promise<void>>> = {
  background: inBackground,
  directory: sayDirectory,
};
(jobs[what]?.() ?? make(what)).catch((error: unknown) => {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
