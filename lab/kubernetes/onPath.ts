/** Programs that this machine has already. */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { attempt } from "../command";
import type { Source } from "./programs";

/**
 * Copies all programs of a source from PATH, if all are there in the right version. Copies, since
 * the directory is also mounted where PATH is another.
 */
export async function copiedFromPath(source: Source, target: string): Promise<boolean> {
  for (const program of source.programs) {
    const path = (process.env["PATH"] ?? "")
      .split(delimiter)
      .map((place) => join(place, program))
      .find((candidate) => existsSync(candidate));
    if (path === undefined) return forget(source, target);
    const copy = join(target, program);
    copyFileSync(path, copy);
    const answer = await attempt(source.versionOf(copy), { timeoutSeconds: 30 });
    if (answer.code !== 0 || !source.accepted.test(answer.stdout)) {
      return forget(source, target);
    }
  }
  return true;
}

function forget(source: Source, target: string): false {
  for (const program of source.programs) rmSync(join(target, program), { force: true });
  return false;
}
