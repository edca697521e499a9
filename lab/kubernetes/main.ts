/** The processes that make the programs of Kubernetes: see background.ts, and ensure.ts. */
import { say } from "../progress";
import { ensureAddOn, ensureK0s, ensureKubernetes, make, type AddOn } from "./ensure";

/** Leads its process group: the compilers in it end with it. */
async function inBackground(addOns: readonly AddOn[]): Promise<void> {
  process.once("SIGTERM", () => process.kill(-process.pid, "SIGKILL"));
  await ensureK0s();
  for (const addOn of addOns) await ensureAddOn(addOn);
}

/** For tests: the directory with the programs, which are made first. */
async function sayDirectory(): Promise<void> {
  process.stdout.write(`${await ensureKubernetes()}\n`);
}

const ADD_ONS: readonly AddOn[] = ["stand-in", "flux", "gitea"];
const [what = "programs", ...rest] = process.argv.slice(2);

function work(): Promise<void> {
  if (what === "background") return inBackground(ADD_ONS.filter((addOn) => rest.includes(addOn)));
  if (what === "directory") return sayDirectory();
  const addOn = ADD_ONS.find((name) => name === what);
  return make(addOn ?? (what === "k0s" ? "k0s" : "programs"));
}

work().catch((error: unknown) => {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
