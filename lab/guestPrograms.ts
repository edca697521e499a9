/**
 * What guests use that no Nix store has: the lab's k0s with the programs of Kubernetes, and the
 * project's own condition of its unit. Hosts have it in /usr/local/lib/pulumi-microvm-lab, and bind
 * it read-only into each guest:
 *   kubernetes/              the lab's cache on this machine
 *   programs/k0s             a link to the directory with k0s, in kubernetes/
 *   programs/flux            the same for Flux's controllers
 *   programs/gitea           the same for Gitea, or for the lab's stand-in of it
 *   programs/k0s-condition
 * They may be made later than the hosts. A link then points nowhere until its target is complete.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { script } from "../provider/hosts/transport/script";
import { addOnDirectory, k0sDirectory } from "./kubernetes/ensure";

/** Which one runs in the pods of Gitea. The real one takes long to build. */
export type GiteaProgram = "gitea" | "stand-in";

/** Brings the programs below the root of a host up to date. Its running guests see them too. */
export function ensureGuestPrograms(root: string, gitea: GiteaProgram): void {
  const programs = join(root, "usr", "local", "lib", "pulumi-microvm-lab", "programs");
  mkdirSync(programs, { recursive: true });
  const targets = {
    k0s: k0sDirectory(),
    flux: addOnDirectory("flux"),
    gitea: addOnDirectory(gitea),
  };
  for (const [name, target] of Object.entries(targets)) {
    const link = join(programs, name);
    rmSync(`${link}.new`, { force: true });
    symlinkSync(join("..", "kubernetes", basename(target)), `${link}.new`);
    renameSync(`${link}.new`, link);
  }
  writeFileSync(join(programs, "k0s-condition"), script("k0s-condition"));
}
