/** The process that makes the programs of Kubernetes: see `inTurn` in ensure.ts. */
import { say } from "../progress";
import { make } from "./ensure";

make(process.argv[2] ?? "programs").catch((error: unknown) => {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
