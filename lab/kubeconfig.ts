/** kubectl and helm for the lab's cluster, in the lab's environment. */
import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attempt } from "./command";
import { kubeconfigFile, labEnvironment, programDirectory } from "./environment";
import { k0sDirectory } from "./kubernetes/ensure";
import { inOperator } from "./network";
import { checkout, labStack } from "./paths";

/** Also before they are made: a link then points nowhere, and PATH goes on. */
export function linkPrograms(): void {
  for (const program of ["kubectl", "helm"]) {
    const link = join(programDirectory, program);
    rmSync(link, { force: true });
    symlinkSync(join(k0sDirectory(), program), link);
  }
}

/** Writes the kubeconfig of the stack. Returns false if the stack has no cluster. */
export async function writeKubeconfig(): Promise<boolean> {
  const command = ["pulumi", "stack", "output", "kubeconfig", "--show-secrets"];
  const answer = await attempt(inOperator([...command, "--stack", labStack]), {
    cwd: checkout,
    env: labEnvironment(),
  });
  // Its mode counts only for a new file.
  rmSync(kubeconfigFile, { force: true });
  if (answer.code !== 0) return false;
  writeFileSync(kubeconfigFile, answer.stdout, { mode: 0o600 });
  return existsSync(kubeconfigFile);
}
