/**
 * The programs of a cluster in the lab, and the stand-in of k0s in front of them. Each comes from
 * PATH if it has the right version there; else from its official release, with the published
 * checksum; else from its Go module. What runs in pods never comes from PATH.
 */
import { existsSync, linkSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { handOver } from "../command";
import { cacheDirectory, checkout, hashOf, hashOfFiles, labSource, madeOnce } from "../paths";
import { say, step } from "../progress";
import { buildSource, goBuild, requireGo } from "./build";
import { FLUX, GITEA_SOURCE } from "./addOns";
import { UnavailableError, download } from "./download";
import { copiedFromPath } from "./onPath";
import { SOURCES, moduleDirectory, type Source } from "./programs";

/** Guests see it, so what is made later appears in them. */
export const kubernetesDirectory = join(cacheDirectory, "kubernetes");
const k0sSource = join(labSource, "k0s");

/** Its name depends on everything that goes into it. */
const versionOfAll = (): string => hashOf(...SOURCES.map(versionOf));

const versionOf = (source: Source): string =>
  hashOf(
    source.version,
    JSON.stringify(source.linked),
    ...["go.mod", "go.sum"].map((file) =>
      readFileSync(join(moduleDirectory(source), file), "utf8"),
    ),
  );

const programsDirectory = (): string => join(kubernetesDirectory, `programs-${versionOfAll()}`);
/** The result of `ensureK0s`, also before it is made. */
export const k0sDirectory = (): string =>
  join(kubernetesDirectory, `k0s-${hashOf(versionOfAll(), hashOfFiles(k0sSource))}`);

/** A directory with etcd, the programs of Kubernetes, kubectl, kwok and helm. */
export async function ensureKubernetes(): Promise<string> {
  if (!existsSync(programsDirectory())) await inTurn("programs");
  return programsDirectory();
}

/** The same, and the stand-in `k0s` beside them. The directory works wherever it is mounted. */
export async function ensureK0s(): Promise<string> {
  if (!existsSync(k0sDirectory())) await inTurn("k0s");
  return k0sDirectory();
}

/** What runs in pods. `stand-in` is the lab's own Gitea: lab/gitea/guest. */
export type AddOn = "flux" | "gitea" | "stand-in";

const giteaSource = join(labSource, "gitea", "guest");

/** The result of `ensureAddOn`, also before it is made. */
export function addOnDirectory(addOn: AddOn): string {
  if (addOn === "stand-in") {
    return join(kubernetesDirectory, `gitea-stand-in-${hashOfFiles(giteaSource)}`);
  }
  return sourceDirectory(addOn === "flux" ? FLUX : GITEA_SOURCE);
}

export async function ensureAddOn(addOn: AddOn): Promise<string> {
  if (!existsSync(addOnDirectory(addOn))) await inTurn(addOn);
  return addOnDirectory(addOn);
}

async function makeAddOn(addOn: AddOn): Promise<void> {
  if (addOn !== "stand-in") {
    await makeSource(addOn === "flux" ? FLUX : GITEA_SOURCE);
    return;
  }
  requireGo("the stand-in of Gitea");
  await madeOnce(addOnDirectory(addOn), (partial) =>
    step("building the lab's Gitea", () =>
      goBuild(giteaSource, join(partial, "gitea"), ".", "-s -w"),
    ),
  );
}

/** In a process that holds a lock: several labs share the cache. */
async function inTurn(what: "programs" | "k0s" | AddOn): Promise<void> {
  mkdirSync(kubernetesDirectory, { recursive: true });
  const lock = join(kubernetesDirectory, "lock");
  const main = join(checkout, "bin", "lab", "kubernetes", "main.js");
  // `--close`: a compiler that outlives its run must not keep the lock.
  const code = await handOver(["flock", "--close", lock, process.execPath, main, what]);
  if (code !== 0) throw new Error("the programs of Kubernetes can't be made: see above");
}

/** What `inTurn` runs. */
export async function make(what: "programs" | "k0s" | AddOn): Promise<void> {
  if (what !== "programs" && what !== "k0s") return makeAddOn(what);
  await madeOnce(programsDirectory(), async (partial) => {
    mkdirSync(partial, { recursive: true });
    for (const source of SOURCES) await addSource(source, partial);
  });
  if (what !== "k0s") return;
  await madeOnce(k0sDirectory(), async (partial) => {
    mkdirSync(partial, { recursive: true });
    for (const program of SOURCES.flatMap(({ programs }) => programs)) {
      linkSync(join(programsDirectory(), program), join(partial, program));
    }
    requireGo("the stand-in of k0s");
    await step("building the lab's k0s", () =>
      goBuild(k0sSource, join(partial, "k0s"), ".", "-s -w"),
    );
  });
}

async function addSource(source: Source, target: string): Promise<void> {
  if (await copiedFromPath(source, target)) return;
  const made = await makeSource(source);
  for (const program of source.programs) linkSync(join(made, program), join(target, program));
}

const sourceDirectory = (source: Source): string =>
  join(kubernetesDirectory, `${source.name}-${source.version}-${versionOf(source)}`);

function makeSource(source: Source): Promise<string> {
  return madeOnce(sourceDirectory(source), async (partial) => {
    if (!(await downloaded(source, partial))) await buildSource(source, partial);
  });
}

async function downloaded(source: Source, target: string): Promise<boolean> {
  if (source.release === undefined) return false;
  try {
    await step(`downloading ${source.name} ${source.version}`, () => download(source, target));
    return true;
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    say(`  the release of ${source.name} is unavailable: ${error.message}`);
    return false;
  }
}
