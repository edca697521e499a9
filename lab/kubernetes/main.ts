/** The processes that make the programs of Kubernetes: see background.ts, and ensure.ts. */
import { say } from "../progress";
import { ensureK0s, make } from "./ensure";

/** Leads its process group: the compilers in it end with it. */
async function inBackground(): Promise<void> {
  process.once("SIGTERM", () => process.kill(-process.pid, "SIGKILL"));
  await ensureK0s();
}

const what = process.argv[2] ?? "programs";
(what === "background" ? inBackground() : make(what)).catch((error: unknown) => {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
