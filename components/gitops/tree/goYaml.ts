/**
 * YAML as the Go libraries of Kubernetes, Helm and Flux read it: go.yaml.in/yaml/v2, resolve.go.
 * A substituted text is read again, so `${A}` with the value `yes` becomes true. Pure.
 */
import { isAlias, isMap as isYamlMap, isScalar, isSeq, parseAllDocuments, Scalar } from "yaml";
import type { Document } from "yaml";
import { isMap } from "./json";
import type { Json, JsonMap } from "./json";

/** Text that is no YAML. The message is that of the parser, with line and column. */
export class YamlError extends Error {}

/** The value of the only document. Null for an empty text. */
export function parseGoYaml(text: string): Json {
  return parseGoYamlDocuments(text)[0] ?? null;
}

export function parseGoYamlDocuments(text: string): Json[] {
  const documents = parseAllDocuments(text, {
    schema: "failsafe",
    version: "1.1",
    uniqueKeys: false,
    prettyErrors: true,
  });
  return (Array.isArray(documents) ? documents : []).map((document) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw new YamlError(fault.message.split("\n")[0]);
    return valueOf(document.contents, document);
  });
}

function valueOf(node: unknown, document: Document): Json {
  if (isAlias(node)) return valueOf(node.resolve(document), document);
  if (isScalar(node)) return scalarOf(node);
  if (isSeq(node)) return node.items.map((item) => valueOf(item, document));
  if (!isYamlMap(node)) return null;
  const own: JsonMap = {};
  const merged: JsonMap[] = [];
  for (const { key, value } of node.items) {
    const name = keyOf(valueOf(key, document));
    const content = valueOf(value, document);
    if (name === "<<" && isScalar(key) && key.type === Scalar.PLAIN) {
      merged.push(...[content].flat().filter(isMap));
    } else own[name] = content;
  }
  return [...merged.reverse(), own].reduce((all, one) => ({ ...all, ...one }), {});
}

function keyOf(key: Json): string {
  return typeof key === "string" ? key : JSON.stringify(key);
}

function scalarOf({ value, type, tag, source }: Scalar): Json {
  const text = typeof value === "string" ? value : (source ?? "");
  if (tag === "tag:yaml.org,2002:str" || tag === "!") return text;
  if (tag === "tag:yaml.org,2002:binary") return Buffer.from(text, "base64").toString();
  return type === undefined || type === Scalar.PLAIN || tag !== undefined ? resolved(text) : text;
}

const WORDS = new Map<string, Json>([
  ...["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"].map(
    (word): [string, Json] => [word, true],
  ),
  ...["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"].map(
    (word): [string, Json] => [word, false],
  ),
  ...["", "~", "null", "Null", "NULL"].map((word): [string, Json] => [word, null]),
]);

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;

/** The value of a plain scalar. Timestamps stay text. */
export function resolved(text: string): Json {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  const plain = text.startsWith(".") ? text : text.replaceAll("_", "");
  const [, sign = "", digits] = INTEGER.exec(plain) ?? [];
  if (digits !== undefined) return integer(digits) * (sign === "-" ? -1 : 1);
  return FLOAT.test(plain) ? Number(plain) : text;
}

/** `0777` is octal, as in YAML 1.1. */
function integer(digits: string): number {
  return Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
}
