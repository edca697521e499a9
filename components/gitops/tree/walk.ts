/**
 * All objects that Flux applies from one Git repository: those of the root Kustomization, and of
 * the Kustomizations among them, in the order in which their variables become known.
 */
import { build } from "./build";
import type { Workspace } from "./build";
import { at, isTrueAt, mapAt, textAt } from "./json";
import type { JsonMap } from "./json";
import { FLUX_GROUPS, groupOf, keyOf } from "./objects";
import type { TreeObject } from "./objects";
import { lookUpVariables } from "./variables";
import type { Lookup } from "./variables";

export interface Tree {
  objects: TreeObject[];
  /** Kustomizations whose objects are not known. */
  unread: Unread[];
}

export interface Unread {
  /** NAMESPACE/NAME */
  kustomization: string;
  why: string;
  /** Flux would fail on it too, or what it needs is not on this machine. */
  isFault: boolean;
}

interface Walk {
  workspace: Workspace;
  root: JsonMap;
  tree: Tree;
  /** Kustomizations that were found, and are not built yet. */
  waiting: JsonMap[];
  /** NAMESPACE/NAME of all that were found. */
  known: Set<string>;
  /** Objects of the root's first definition. */
  superseded: TreeObject[];
}

/** `given` are objects that are in the cluster, but not in the tree. */
export async function walk(
  workspace: Workspace,
  root: JsonMap,
  given: readonly TreeObject[],
): Promise<Tree> {
  const tree: Tree = { objects: [...given], unread: [] };
  const known = new Set([labelOf(root)]);
  const all: Walk = { workspace, root, tree, waiting: [root], known, superseded: [] };
  for (;;) {
    const next = await nextOf(all);
    if (next === undefined) return tree;
    const objects = await builtObjects(all, next.kustomization, next.lookup);
    tree.objects.push(...objects);
    if (await isRedefined(all, next.kustomization, objects)) continue;
    for (const found of await kustomizationsIn(objects)) follow(all, found);
  }
}

export function labelOf(object: JsonMap): string {
  const { namespace, name } = keyOf(object);
  return `${namespace}/${name}`;
}

/**
 * The first Kustomization whose variables are known. Optional ones count as absent only when no
 * other Kustomization can bring them any more.
 */
async function nextOf(all: Walk): Promise<{ kustomization: JsonMap; lookup: Lookup } | undefined> {
  const { waiting, tree } = all;
  const looked = (
    await Promise.all(
      waiting.map(async (kustomization) => {
        try {
          return [{ kustomization, lookup: await lookUpVariables(kustomization, tree.objects) }];
        } catch (error) {
          markUnread(all, kustomization, error);
          return [];
        }
      }),
    )
  ).flat();
  const next =
    looked.find(({ lookup }) => lookup.missing.length === 0) ??
    looked.find(({ lookup }) => lookup.missing.every(({ isOptional }) => isOptional));
  const left = looked.map(({ kustomization }) => kustomization);
  all.waiting = left.filter((one) => next !== undefined && one !== next.kustomization);
  if (next === undefined) {
    for (const { kustomization, lookup } of looked) {
      const names = lookup.missing.filter(({ isOptional }) => !isOptional).map(({ what }) => what);
      const why = `its substituteFrom names ${names.join(", ")}, which the tree does not have`;
      tree.unread.push({ kustomization: labelOf(kustomization), why, isFault: true });
    }
  }
  return next;
}

/** What the Kustomization applies. None if it cannot be built; then it is unread. */
async function builtObjects(
  all: Walk,
  kustomization: JsonMap,
  { variables }: Lookup,
): Promise<TreeObject[]> {
  try {
    return await build(all.workspace, kustomization, variables);
  } catch (error) {
    markUnread(all, kustomization, error);
    return [];
  }
}

function markUnread({ tree }: Walk, kustomization: JsonMap, error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  tree.unread.push({ kustomization: labelOf(kustomization), why, isFault: true });
}

/**
 * `flux bootstrap` commits the Kustomization that applies the commit, and Flux follows that one.
 * What the first build has applied is only there for its variables, and once.
 */
async function isRedefined(
  all: Walk,
  kustomization: JsonMap,
  objects: readonly TreeObject[],
): Promise<boolean> {
  const { tree, root } = all;
  if (kustomization !== root) {
    if (labelOf(kustomization) === labelOf(root)) {
      tree.objects = tree.objects.filter((one) => !all.superseded.includes(one));
    }
    return false;
  }
  const own = (await kustomizationsIn(objects)).find((one) => labelOf(one) === labelOf(root));
  if (own === undefined || JSON.stringify(own["spec"]) === JSON.stringify(root["spec"])) {
    return false;
  }
  all.superseded.push(...objects);
  all.waiting.unshift(own);
  return true;
}

async function kustomizationsIn(objects: readonly TreeObject[]): Promise<JsonMap[]> {
  const found = objects.filter(
    (one) => one.kind === "Kustomization" && groupOf(one) === FLUX_GROUPS.kustomize,
  );
  return Promise.all(found.map(async ({ read }) => (await read()).object));
}

function follow(all: Walk, found: JsonMap): void {
  const label = labelOf(found);
  if (all.known.has(label)) return;
  all.known.add(label);
  const why = notFollowed(found, all.root);
  if (why === undefined) all.waiting.push(found);
  else all.tree.unread.push({ kustomization: label, why, isFault: false });
}

/** Why the objects of a Kustomization are not in this tree. */
function notFollowed(found: JsonMap, root: JsonMap): string | undefined {
  if (isTrueAt(found, "spec", "suspend")) return "it is suspended";
  if (at(found, "spec", "kubeConfig") !== undefined) return "it is for another cluster";
  const source = sourceOf(found);
  return source === sourceOf(root) ? undefined : `it reads ${source}`;
}

function sourceOf(kustomization: JsonMap): string {
  const source = mapAt(kustomization, "spec", "sourceRef");
  const namespace = textAt(source, "namespace") || keyOf(kustomization).namespace;
  return `${textAt(source, "kind")} ${namespace}/${textAt(source, "name")}`;
}
