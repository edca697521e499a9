/** The lab's GitOps tree: lab/gitops with Flux's own manifests. */
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { awaitAddOn } from "./kubernetes/background";
import { labSource } from "./paths";

/** In the tree. */
const GOTK = join("clusters", "lab", "flux-system", "gotk-components.yaml");

/** Writes the tree into a directory. Waits until Flux is built: its modules have the CRDs. */
export async function writeGitOpsTree(directory: string): Promise<void> {
  const flux = await awaitAddOn("flux");
  mkdirSync(directory, { recursive: true });
  cpSync(join(labSource, "gitops"), directory, { recursive: true });
  mkdirSync(join(directory, GOTK, ".."), { recursive: true });
  writeFileSync(join(directory, GOTK), gotkComponents(flux));
}

/** CRDs first, as in the file that `flux install --export` prints. */
function gotkComponents(flux: string): string {
  const crds = join(flux, "crds");
  const files = readdirSync(crds, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".yaml"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const controllers = join(labSource, "flux", "controllers.yaml");
  return [...files, controllers].map((file) => document(readFileSync(file, "utf8"))).join("---\n");
}

const document = (text: string): string => `${text.replace(/^---\n/, "").trimEnd()}\n`;
