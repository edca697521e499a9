/** What one Flux Kustomization applies: kustomize-controller, reconcile and build. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, normalize, relative } from "node:path";
import { kustomizationFile, manifestsIn } from "./artifact";
import { CommandError } from "./commands";
import type { Programs } from "./commands";
import { substitute } from "./envsubst/evaluate";
import { generate } from "./generate";
import { parseGoYaml } from "./goYaml";
import { at, isMap, mapAt, textAt } from "./json";
import type { JsonMap } from "./json";
import {
  isExcluded,
  isMarked,
  keyOf,
  shown,
  withCommonMetadata,
  withoutAnnotation,
} from "./objects";
import type { Content, TreeObject } from "./objects";
import { decrypt, isEncrypted } from "./sops";
import type { Sops } from "./sops";

export interface Variable {
  value: string;
  isSecret: boolean;
}
export type Variables = ReadonlyMap<string, Variable>;

/** What a build needs beside the Kustomization. */
export interface Workspace {
  programs: Programs;
  sops: Sops;
  /** A copy of the artifact. */
  copy: string;
}

const ORIGIN_KEY = "config.kubernetes.io/origin";

/**
 * Without definitions of resources. Rejects if kustomize refuses the directory, or if a
 * substitution is malformed.
 */
export async function build(
  workspace: Workspace,
  kustomization: JsonMap,
  variables: Variables,
): Promise<TreeObject[]> {
  const path = pathOf(kustomization);
  const { text, keepsOrigin } = await kustomized(workspace, path, kustomization);
  const { namespace, name } = keyOf(kustomization);
  const { sops } = workspace;
  const context = { kustomization, variables, sops, keepsOrigin };
  return documentsOf(text).flatMap((document) => {
    if (isDefinition(document)) return [];
    const { object, isSecret, origin } = finished(context, document);
    if (isExcluded(object)) return [];
    const file = origin === "" ? "" : join(path, origin);
    const isClosed = isEncrypted(object);
    // An object is decrypted once, and only if it is read.
    let content: Promise<Content> | undefined;
    const read = (): Promise<Content> =>
      (content ??= isClosed ? opened(context, document) : Promise.resolve({ object, isSecret }));
    return {
      ...keyOf(object),
      origin: { file, kustomization: `${namespace}/${name}` },
      read,
    };
  });
}

/** Relative to the root; a path cannot leave it (securejoin). */
export function pathOf(kustomization: JsonMap): string {
  const path = normalize(`/${textAt(kustomization, "spec", "path")}`);
  return relative("/", path);
}

/** Replaces the kustomization file in the copy for the time of the build. */
async function kustomized(
  { programs, copy }: Workspace,
  path: string,
  kustomization: JsonMap,
): Promise<{ text: string; keepsOrigin: boolean }> {
  const directory = join(copy, path);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new CommandError(`spec.path ${path} is no directory of the tree that Git would commit`);
  }
  const file = kustomizationFile(directory);
  const text = file === undefined ? undefined : readFileSync(file, "utf8");
  const own = text === undefined ? undefined : parseGoYaml(text);
  const { kustomization: made, keepsOrigin } = generate(
    own === undefined ? undefined : isMap(own) ? own : {},
    file === undefined ? manifestsIn(directory) : [],
    mapAt(kustomization, "spec"),
    (component) => existsSync(join(directory, component)),
  );
  const target = file ?? join(directory, "kustomization.yaml");
  writeFileSync(target, JSON.stringify(made));
  try {
    return { text: await programs.kustomize(directory), keepsOrigin };
  } finally {
    if (text === undefined) rmSync(target);
    else writeFileSync(target, text);
  }
}

/** kustomize indents what is inside of a document, so no other line starts with three dashes. */
function documentsOf(text: string): string[] {
  return text.split(/^---\n/m).filter((document) => document.trim() !== "");
}

/** Definitions are long, and nothing is looked up in them. */
const isDefinition = (document: string): boolean =>
  /^kind: CustomResourceDefinition$/m.test(document);

interface Context {
  kustomization: JsonMap;
  variables: Variables;
  sops: Sops;
  keepsOrigin: boolean;
}

/** A document of kustomize after the substitutions and with the common metadata. */
function finished(context: Context, document: string): Content & { origin: string } {
  const { kustomization, keepsOrigin } = context;
  const plain = objectOf(document);
  const { text, isSecret } = substituted(context, plain, document);
  const object = text === document ? plain : objectOf(text);
  const annotation = parseGoYaml(textAt(object, "metadata", "annotations", ORIGIN_KEY));
  const bare = keepsOrigin ? object : withoutAnnotation(object, ORIGIN_KEY);
  return {
    object: withCommonMetadata(bare, mapAt(kustomization, "spec")),
    isSecret: isSecret || textAt(object, "kind") === "Secret",
    origin: textAt(annotation, "path"),
  };
}

async function opened(context: Context, document: string): Promise<Content> {
  if (at(context.kustomization, "spec", "decryption") === undefined) {
    const { namespace, name } = keyOf(context.kustomization);
    throw new CommandError(
      `it is encrypted, and the Kustomization ${namespace}/${name} has no spec.decryption`,
    );
  }
  const object = await decrypt(context.sops, objectOf(document));
  const { object: all } = finished(context, JSON.stringify(object));
  return { object: all, isSecret: true };
}

function objectOf(document: string): JsonMap {
  const object = parseGoYaml(document);
  if (!isMap(object)) throw new CommandError("kustomize has printed a document that is no object");
  return object;
}

/** SubstituteVariables of fluxcd/pkg kustomize_varsub.go. */
function substituted(
  { kustomization, variables }: Context,
  object: JsonMap,
  text: string,
): { text: string; isSecret: boolean } {
  const postBuild = at(kustomization, "spec", "postBuild");
  const always = textAt(postBuild, "substituteStrategy") === "Always";
  const isOff = isMarked(object, "kustomize.toolkit.fluxcd.io/substitute", "disabled");
  if (postBuild === undefined || isOff || (variables.size === 0 && !always)) {
    return { text, isSecret: false };
  }
  let isSecret = false;
  try {
    const after = substitute(text, (name) => {
      const variable = variables.get(name);
      isSecret ||= variable?.isSecret === true;
      return variable?.value;
    });
    return { text: after, isSecret };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError(`a substitution in ${shown(keyOf(object))} is malformed: ${why}`);
  }
}
