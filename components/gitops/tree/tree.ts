/** The GitOps tree as Flux sees it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { artifactFiles, copyArtifact } from "./artifact";
import { PROGRAMS } from "./commands";
import type { Programs } from "./commands";
import type { JsonMap } from "./json";
import type { Content, TreeObject } from "./objects";
import { keyOf } from "./objects";
import { SECRETS, SETTINGS, rootKustomization } from "../root";
import { walk } from "./walk";
import type { Tree } from "./walk";

/** What the cluster has beside the tree. */
export interface TreeSettings {
  /** Of the ConfigMap cluster-settings. */
  settings?: Readonly<Record<string, string>>;
  /** Of the Secret cluster-secrets. */
  secrets?: Readonly<Record<string, string>>;
  /** For SOPS. Default: the keys of the user's own configuration. */
  ageKey?: string;
}

/**
 * Reads what Flux applies from `path` of the repository in `directory`. `use` gets the objects, as
 * long as encrypted ones can be read: the copy of the tree is removed afterwards.
 */
export async function withTree<T>(
  directory: string,
  path: string,
  settings: TreeSettings,
  use: (tree: Tree) => Promise<T>,
  programs: Programs = PROGRAMS,
): Promise<T> {
  // mkdtemp makes it with mode 0700.
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-tree-"));
  try {
    const copy = join(scratch, "tree");
    copyArtifact(directory, await artifactFiles(programs.command, directory, scratch), copy);
    const sops = { run: programs.command, ...ageKeyFile(scratch, settings.ageKey) };
    const root = rootKustomization(path, settings.ageKey !== undefined);
    return await use(await walk({ programs, sops, copy }, root, given(settings)));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function ageKeyFile(scratch: string, key: string | undefined): { ageKeyFile?: string } {
  if (key === undefined) return {};
  const file = join(scratch, "age.key");
  writeFileSync(file, key, { mode: 0o600 });
  return { ageKeyFile: file };
}

/** The objects that the program makes for `postBuild.substituteFrom`. */
function given({ settings = {}, secrets = {} }: TreeSettings): TreeObject[] {
  const objects: Content[] = [
    { object: { ...SETTINGS, data: { ...settings } }, isSecret: false },
    { object: { ...SECRETS, stringData: { ...secrets } }, isSecret: true },
  ];
  return objects.map((content) => ({
    ...keyOf(content.object),
    origin: { file: "", kustomization: "" },
    read: () => Promise.resolve(content),
  }));
}

/**
 * The objects that kustomize-controller applies, sorted by their names and in plain text, for
 * comparisons with the real one. Rejects if a Kustomization cannot be read.
 */
export async function treeObjects(
  directory: string,
  path: string,
  settings: TreeSettings = {},
  programs: Programs = PROGRAMS,
): Promise<JsonMap[]> {
  const use = async ({ objects, unread }: Tree): Promise<JsonMap[]> => {
    const first = unread.find(({ isFault }) => isFault);
    if (first !== undefined) throw new Error(`${first.kustomization}: ${first.why}`);
    const made = objects.filter(({ origin }) => origin.kustomization !== "");
    const contents = await Promise.all(made.map(({ read }) => read()));
    return contents.map(({ object }) => object).sort(byKey);
  };
  return withTree(directory, path, settings, use, programs);
}

function byKey(a: JsonMap, b: JsonMap): number {
  const text = (object: JsonMap): string => {
    const { kind, namespace, name } = keyOf(object);
    return [kind, namespace, name].join("/");
  };
  return text(a) < text(b) ? -1 : 1;
}
