/**
 * Reads the GitOps tree of a site once per pass, before any resource is registered: all that is
 * wrong with it is one error.
 */
import { join, relative } from "node:path";
import * as pulumi from "../pulumi";
import type { GitOpsModel, TreeModel } from "../../site/gitOpsModel";
import { locator } from "./releases/locate";
import { readSeeds } from "./releases/seeds";
import type { ReadSeed } from "./releases/seeds";
import { repositoryRoot } from "./tree/artifact";
import { CommandError, PROGRAMS } from "./tree/commands";
import type { Programs } from "./tree/commands";
import { withTree } from "./tree/tree";
import type { Tree } from "./tree/walk";

/** From the stack's secrets. */
export interface GitOpsSecrets {
  ageKey?: string;
  /** Of the Secret flux-system/cluster-secrets. */
  clusterSecrets?: Readonly<Record<string, string>>;
}

/** The repository that the tree is in. */
export interface TreeRepository {
  /** Its root. That of the tree, if it is in no Git repository. */
  directory: string;
  /** `path` of the root Kustomization, relative to the root. */
  path: string;
}

export interface GitOpsReading {
  seeds: ReadSeed[];
  /** Absent: the site has no tree. */
  repository?: TreeRepository;
}

/** Logs what Flux could not apply. Throws a RunError with everything that is refused. */
export async function readGitOps(
  gitOps: GitOpsModel,
  secrets: GitOpsSecrets = {},
  programs: Programs = PROGRAMS,
): Promise<GitOpsReading> {
  const { tree, settings } = gitOps;
  if (tree === undefined) return { seeds: required(await readSeeds(gitOps.seeds, undefined)) };
  const repository = repositoryOf(tree);
  const { directory, path } = repository;
  const beside = {
    settings,
    ...(secrets.clusterSecrets !== undefined && { secrets: secrets.clusterSecrets }),
    ...(secrets.ageKey !== undefined && { ageKey: secrets.ageKey }),
  };
  const use = async (read: Tree) => {
    for (const { kustomization, why, isFault } of read.unread) {
      if (isFault) void pulumi.log.warn(`Kustomization ${kustomization} cannot be read: ${why}`);
    }
    const context = { tree: read, objects: read.objects, root: directory };
    return readSeeds(gitOps.seeds, { ...context, locate: locator(directory) });
  };
  const read = withTree(directory, path, beside, use, programs).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    throw new pulumi.RunError(`the GitOps tree ${directory} cannot be read: ${error.message}`);
  });
  return { seeds: required(await read), repository };
}

export function repositoryOf({ directory, path }: TreeModel): TreeRepository {
  const root = repositoryRoot(directory) ?? directory;
  return { directory: root, path: relative(root, join(directory, path)) };
}

function required({ seeds, faults }: { seeds: ReadSeed[]; faults: string[] }): ReadSeed[] {
  if (faults.length === 0) return seeds;
  throw new pulumi.RunError(`the GitOps tree cannot be seeded:\n${faults.join("\n")}`);
}
