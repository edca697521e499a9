/** The plugin's diff: the live object, pruned to the old inputs, against the new inputs. Pure. */
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import type { Plain, PlainMap } from "../../../provider/wire";
import type { Configuration } from "./config";
import { changesOf, identityOf, isPlainMap } from "./values";
import type { Kind } from "./values";

/** Fields that the API fills in, and that inputs may have from an import. */
const READ_ONLY = [
  "creationTimestamp",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "uid",
];

const { ADD, ADD_REPLACE, DELETE, DELETE_REPLACE, UPDATE, UPDATE_REPLACE } = pb.PropertyDiff.Kind;
const KINDS: Record<Kind, [pb.PropertyDiff.Kind, pb.PropertyDiff.Kind]> = {
  add: [ADD, ADD_REPLACE],
  delete: [DELETE, DELETE_REPLACE],
  update: [UPDATE, UPDATE_REPLACE],
};

type Mutable = Pick<Configuration, "enableSecretMutable" | "enableConfigMapMutable">;

export function diffOf(
  live: Plain,
  news: PlainMap,
  isNamespaced: boolean,
  mutable: Mutable,
  ignored: readonly string[],
): pb.DiffResponse {
  const before = normal(isPlainMap(live) ? live : {}, isNamespaced);
  const after = normal(news, isNamespaced);
  const changes = changesOf(before, after).filter(
    ([path]) => !ignored.some((one) => isWithin(path, one)),
  );
  const response = new pb.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;
  response.setChanges(changes.length === 0 ? DIFF_NONE : DIFF_SOME);
  response.setHasdetaileddiff(true);
  const fixed = fixedPaths(news, mutable);
  for (const [path, kind] of changes) {
    const isReplace = fixed.some((one) => isWithin(path, one));
    const diff = new pb.PropertyDiff();
    diff.setKind(KINDS[kind][isReplace ? 1 : 0]);
    diff.setInputdiff(kind === "delete");
    response.getDetaileddiffMap().set(path, diff);
    if (isReplace) response.addReplaces(path);
  }
  response.setDeletebeforereplace(
    response.getReplacesList().length > 0 && idText(before) === idText(after),
  );
  return response;
}

const idText = (object: PlainMap): string => {
  const { namespace = "", name } = identityOf(object);
  return `${namespace}/${name}`;
};

/** Without read-only fields, and with the namespace that the API would choose. */
function normal(object: PlainMap, isNamespaced: boolean): PlainMap {
  const found = object["metadata"];
  const metadata = isPlainMap(found) ? { ...found } : {};
  const kept = Object.fromEntries(
    Object.entries(metadata).filter(([key]) => !READ_ONLY.includes(key) && key !== "namespace"),
  );
  const namespace = isNamespaced ? { namespace: metadata["namespace"] ?? "default" } : {};
  return { ...object, metadata: { ...kept, ...namespace } };
}

/** A change of these replaces the object. */
function fixedPaths(object: PlainMap, mutable: Mutable): string[] {
  const { apiVersion, kind } = identityOf(object);
  const identity = ["metadata.name", "metadata.namespace"];
  const isImmutable = object["immutable"] === true;
  if (apiVersion === "v1" && kind === "Secret" && (!mutable.enableSecretMutable || isImmutable)) {
    return [...identity, "type", "stringData", "data"];
  }
  const isConfigMap = apiVersion === "v1" && kind === "ConfigMap";
  if (isConfigMap && (!mutable.enableConfigMapMutable || isImmutable)) {
    return [...identity, "binaryData", "data"];
  }
  return identity;
}

function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}
