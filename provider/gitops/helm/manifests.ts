/** The manifests of a release: its objects, and what changes between two renderings. */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { yamlDocuments } from "../yamlDocuments";

const PATHS_PER_OBJECT = 5;
const WORKLOADS: Readonly<Record<string, string>> = {
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  StatefulSet: "statefulsets",
};

const rendered = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
  items: z.array(z.unknown()).optional(),
});
type Rendered = z.infer<typeof rendered>;

export interface Manifest {
  kind: string;
  namespace: string;
  name: string;
  content: unknown;
}

/** `namespace`: of the release, for objects that state none. */
export async function parseManifests(text: string, namespace: string): Promise<Manifest[]> {
  return (await yamlDocuments(text)).flatMap(objectsIn).map((content) => ({
    kind: content.kind,
    namespace: content.metadata.namespace ?? namespace,
    name: content.metadata.name,
    content,
  }));
}

function objectsIn(content: unknown): Rendered[] {
  const parsed = rendered.safeParse(content);
  if (!parsed.success) return [];
  return parsed.data.items === undefined
    ? [parsed.data]
    : parsed.data.items.flatMap((item) => objectsIn(item));
}

/** A workload whose pods the cluster runs. */
export interface Workload {
  kind: string;
  namespace: string;
  name: string;
  path: string;
}

export function workloadsIn(manifests: readonly Manifest[]): Workload[] {
  return manifests.filter(({ kind }) => kind in WORKLOADS).map(workloadOf);
}

type Named = Pick<Workload, "kind" | "namespace" | "name">;

function workloadOf({ kind, namespace, name }: Named): Workload {
  const path = `/apis/apps/v1/namespaces/${namespace}/${WORKLOADS[kind] ?? ""}/${name}`;
  return { kind, namespace, name, path };
}

export const objectName = ({ kind, namespace, name }: Named): string =>
  `${kind} ${namespace}/${name}`;

/** The workload of an `objectName`. */
export function workloadNamed(text: string): Workload {
  const [, kind = "", namespace = "", name = ""] = /^(\S+) ([^/]+)\/(.+)$/.exec(text) ?? [];
  return workloadOf({ kind, namespace, name });
}

/**
 * One line for each object that changes. Lines have the paths of fields and never their values:
 * any of them may come from a secret.
 */
export function changesOf(before: readonly Manifest[], after: readonly Manifest[]): string[] {
  const old = new Map(before.map((one) => [objectName(one), one]));
  const fresh = new Map(after.map((one) => [objectName(one), one]));
  const removed = [...old.keys()].filter((label) => !fresh.has(label));
  const others = [...fresh].flatMap(([label, manifest]): string[] => {
    const was = old.get(label);
    if (was === undefined) return [`+ ${label}`];
    const paths = pathsOf(was.content, manifest.content, "");
    return paths.length === 0 ? [] : [changeLine(label, manifest, paths)];
  });
  return [...others, ...removed.map((label) => `- ${label}`)];
}

function changeLine(label: string, { kind }: Manifest, paths: readonly string[]): string {
  const isRestart = kind in WORKLOADS && paths.some((path) => path.startsWith("spec.template"));
  const more = paths.length - PATHS_PER_OBJECT;
  const shown = paths.slice(0, PATHS_PER_OBJECT).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return `~ ${label}: ${shown}${isRestart ? " (its pods restart)" : ""}`;
}

function pathsOf(before: unknown, after: unknown, path: string): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isParent(before) && isParent(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    const under = (key: string): string =>
      Array.isArray(after) ? `${path}[${key}]` : joined(path, key);
    return [...keys].flatMap((key) => pathsOf(before[key], after[key], under(key)));
  }
  return [path];
}

const joined = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);

const isParent = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** Workloads whose pods differ between two revisions: the second one has restarted them. */
export function restartedBetween(
  before: readonly Manifest[],
  after: readonly Manifest[],
): string[] {
  const template = z.looseObject({ spec: z.looseObject({ template: z.unknown() }) });
  const podsOf = (manifest: Manifest | undefined): unknown =>
    template.safeParse(manifest?.content).data?.spec.template;
  const old = new Map(before.map((one) => [objectName(one), one]));
  return after
    .filter(({ kind }) => kind in WORKLOADS)
    .filter((one) => old.has(objectName(one)))
    .filter((one) => !isDeepStrictEqual(podsOf(old.get(objectName(one))), podsOf(one)))
    .map(objectName);
}
