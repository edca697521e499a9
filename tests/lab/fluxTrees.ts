/** What the real kustomize-controller applies from a tree, for the comparison with the reader. */
import { z } from "zod";
import { SECRETS, SETTINGS, rootKustomization } from "../../components/gitops/root";
import { settingsOf } from "../fixtures/gitops-trees/trees";
import { kubectl } from "./cluster";
import { apply, gitRepository } from "./flux";
import { until } from "./lab";

/** Of the trees. */
const NAMESPACES = ["apps", "elsewhere", "prod", "target"];
const KINDS = [
  ...["configmaps", "secrets", "deployments", "clusterroles", "helmreleases"],
  ...["kustomizations", "gitrepositories"],
];
const OWN = "kustomize.toolkit.fluxcd.io/name";
const MANAGER = "kustomize-controller";
/** Between two requests to reconcile: the trees have intervals of 10 minutes. */
const REQUEST_MS = 3_000;

type Map = Record<string, unknown>;
const isMap = (value: unknown): value is Map =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const list = z.object({
  items: z.array(
    z.looseObject({
      kind: z.string(),
      metadata: z.looseObject({
        name: z.string(),
        namespace: z.string().optional(),
        managedFields: z
          .array(
            z.looseObject({
              manager: z.string(),
              operation: z.string(),
              subresource: z.string().optional(),
              fieldsV1: z.record(z.string(), z.unknown()).optional(),
            }),
          )
          .default([]),
      }),
    }),
  ),
});
type Applied = z.infer<typeof list>["items"][number];

/** The namespaces of the trees. */
export async function prepareTrees(controller: string): Promise<void> {
  const objects = NAMESPACES.map((name) =>
    JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
  );
  await apply(controller, objects.join("\n---\n"));
}

/** Points Flux at the head of a repository, which is a tree of tests/fixtures/gitops-trees. */
export async function reconcileTree(
  controller: string,
  tree: string,
  repository: string,
): Promise<void> {
  const { settings = {}, secrets = {} } = settingsOf(tree);
  const objects = [
    { ...SETTINGS, data: settings },
    { ...SECRETS, stringData: secrets },
    ...gitRepository(repository),
    rootKustomization("cluster", false),
  ];
  await apply(controller, objects.map((object) => JSON.stringify(object)).join("\n---\n"));
}

/**
 * Waits until Flux has applied this commit and these objects, and no others. The error says why
 * not: a difference, and what each Kustomization and the source say of themselves.
 */
export async function awaitObjects(
  controller: string,
  commit: string,
  expected: readonly Map[],
): Promise<void> {
  const wanted = sorted(expected.map(normalised));
  let requested = 0;
  const applying = until("Flux to apply the same objects as the reader", 90, async () => {
    if (Date.now() - requested > REQUEST_MS) {
      requested = Date.now();
      const request = `reconcile.fluxcd.io/requestedAt=${requested}`;
      const all = "-n flux-system annotate --overwrite gitrepository,kustomization --all";
      await kubectl(controller, `${all} ${request}`);
    }
    const path = "jsonpath={.status.lastAppliedRevision}";
    const root = `-n flux-system get kustomization flux-system -o ${path}`;
    const revision = await kubectl(controller, root);
    if (!revision.endsWith(commit)) throw new Error(`the root is at ${revision}, not ${commit}`);
    const found = sorted((await owned(controller)).map((object) => normalised(applied(object))));
    // Fails with a difference that can be read.
    expect(found).toEqual(wanted);
    return true;
  });
  await applying.catch(async (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}\n${await readyMessages(controller)}`);
  });
}

/** A line for the source and for each Kustomization: the condition Ready and its message. */
async function readyMessages(controller: string): Promise<string> {
  const ready = '{range .status.conditions[?(@.type=="Ready")]}{.status}: {.message}{end}';
  const line = `{range .items[*]}{.kind}/{.metadata.name}: ${ready}{"\\n"}{end}`;
  const words = `-n flux-system get gitrepository,kustomization -o jsonpath='${line}'`;
  return kubectl(controller, words);
}

/** Removes what Flux applied from a tree, so that the next one starts with nothing. */
export async function removeTree(controller: string): Promise<void> {
  await kubectl(controller, "-n flux-system delete kustomization --all --timeout=60s");
  await until("everything of the tree to be gone", 60, async () => {
    const left = await owned(controller);
    return left.length === 0 ? true : Promise.reject(new Error(left.map(nameOf).join(", ")));
  });
}

async function owned(controller: string): Promise<Applied[]> {
  const words = `get ${KINDS.join(",")} -A -l ${OWN} --show-managed-fields -o json`;
  return list.parse(JSON.parse(await kubectl(controller, words))).items;
}

const nameOf = ({ kind, metadata }: Applied): string =>
  `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

/** The part of an object that kustomize-controller applied: without defaults and others' fields. */
function applied(object: Applied): Map {
  const { apiVersion, kind, metadata } = object;
  const fields = metadata.managedFields.find(
    ({ manager, operation, subresource }) =>
      manager === MANAGER && operation === "Apply" && subresource === undefined,
  )?.fieldsV1;
  const part = select(object, fields ?? {});
  if (!isMap(part)) throw new Error(`${nameOf(object)} has no fields of ${MANAGER}`);
  const { name, namespace } = metadata;
  const own = isMap(part["metadata"]) ? part["metadata"] : {};
  const key = { name, ...(namespace !== undefined && { namespace }) };
  return { ...part, apiVersion, kind, metadata: { ...own, ...key } };
}

/** The fields of a FieldsV1 (structured-merge-diff, fieldpath/serialize-pe.go). */
function select(value: unknown, fields: Map): unknown {
  const children = Object.entries(fields).filter(([name]) => name !== ".");
  if (children.length === 0) return value;
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    return items.flatMap((item) => {
      const own = children.find(([name]) => isSelected(item, name));
      return own === undefined ? [] : [select(item, isMap(own[1]) ? own[1] : {})];
    });
  }
  if (!isMap(value)) return value;
  const pairs = children.flatMap(([name, inner]) => {
    const key = name.replace(/^f:/, "");
    const isThere = key in value;
    return isThere ? [[key, select(value[key], isMap(inner) ? inner : {})] as const] : [];
  });
  return Object.fromEntries(pairs);
}

function isSelected(item: unknown, name: string): boolean {
  const wanted: unknown = JSON.parse(name.slice(2));
  if (name.startsWith("v:")) return JSON.stringify(item) === JSON.stringify(wanted);
  if (!isMap(item) || !isMap(wanted)) return false;
  return Object.entries(wanted).every(([key, value]) => item[key] === value);
}

/** Without what Flux adds, and as the API server stores it. */
function normalised(all: Map): Map {
  const object = withoutDefaults(all);
  const metadata = isMap(object["metadata"]) ? object["metadata"] : {};
  const { labels, annotations, ...names } = metadata;
  const { stringData, ...rest } = object;
  const encoded = Object.entries(isMap(stringData) ? stringData : {}).map(
    ([key, text]) => [key, Buffer.from(String(text)).toString("base64")] as const,
  );
  const data = isMap(rest["data"]) ? rest["data"] : {};
  return {
    ...rest,
    metadata: {
      ...names,
      ...withoutFlux("labels", labels),
      ...withoutFlux("annotations", annotations),
    },
    ...(encoded.length > 0 && { data: { ...data, ...Object.fromEntries(encoded) } }),
  };
}

const STRATEGY =
  '"strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"},';

/** Fields that typed objects of Kubernetes and Flux have by default. */
function withoutDefaults(object: Map): Map {
  const text = JSON.stringify(object)
    .replace(STRATEGY, "")
    .replace(/,?"resources":\{\}/g, "")
    .replace(/,?"optional":false/g, "")
    .replace(/"rules":null/g, '"rules":[]');
  return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
}

/** Labels or annotations without those of Flux, if there are others. */
function withoutFlux(name: string, all: unknown): Map {
  const others = Object.entries(isMap(all) ? all : {}).filter(
    ([key]) => !/^(kustomize\.toolkit|reconcile)\.fluxcd\.io\//.test(key),
  );
  return others.length === 0 ? {} : { [name]: Object.fromEntries(others) };
}

function sorted(objects: readonly Map[]): Map[] {
  const key = (object: Map): string => {
    const { name, namespace = "" } = z
      .looseObject({ name: z.string(), namespace: z.string().optional() })
      .parse(object["metadata"]);
    return `${String(object["kind"])} ${namespace}/${name}`;
  };
  return [...objects].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
