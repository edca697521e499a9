/**
 * What guests use that no Nix store has: the lab's k0s with the programs of Kubernetes, and the
 * project's own condition of its unit. Hosts have it in /usr/local/lib/pulumi-microvm-lab, and bind
 * it read-only into each guest:
 *   kubernetes/              the lab's cache on this machine
 *   programs/k0s             a link to the directory with k0s, in kubernetes/
 *   programs/k0s-condition
 * k0s may be made later than the hosts. The link then points nowhere until it is complete.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { script } from "../provider/hosts/transport/script";
import { k0sDirectory } from "./kubernetes/ensure";

/** Brings the programs below the root of a host up to date. Its running guests see them too. */
export function ensureGuestPrograms(root: string): void {
  const programs = join(root, "usr", "local", "lib", "pulumi-microvm-lab", "programs");
  mkdirSync(programs, { recursive: true });
  const link = join(programs, "k0s");
  rmSync(`${link}.new`, { force: true });
  symlinkSync(join("..", "kubernetes", basename(k0sDirectory())), `${link}.new`);
  renameSync(`${link}.new`, link);
  writeFileSync(join(programs, "k0s-condition"), script("k0s-condition"));
}
