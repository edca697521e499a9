/** The value of a text with `${...}`: fluxcd/pkg envsubst/template.go and funcs.go. Pure. */
import { matches } from "./glob";
import { SubstitutionError, parse } from "./parser";
import type { Node } from "./parser";

/** The value of a variable. Undefined: it is not set. */
export type Lookup = (variable: string) => string | undefined;

/** They have a value for a variable that is not set. */
const DEFAULT_OPERATORS = ["-", "+", "=", "?", ":-", ":+", ":=", ":?"];

/**
 * Throws SubstitutionError, also for a variable that is not set: kustomize-controller is strict
 * since Flux 2.9, and an older one would put in an empty text.
 */
export function substitute(text: string, lookup: Lookup): string {
  return evaluate(parse(text), lookup);
}

function evaluate(nodes: readonly Node[], lookup: Lookup): string {
  return nodes
    .map((node) => {
      if (node.kind === "text") return node.text;
      const words = node.arguments.map((argument) => evaluate([argument], lookup));
      return apply(node.name, valueOf(node, lookup), words);
    })
    .join("");
}

function valueOf({ name, variable }: { name: string; variable: string }, lookup: Lookup): string {
  const value = lookup(variable);
  if (value === undefined && !DEFAULT_OPERATORS.includes(name)) {
    throw new SubstitutionError(`variable not set: ${variable}; \${${variable}:=} is empty then`);
  }
  return value ?? "";
}

/** Flux treats `+` and `?` as it treats `-` and `=`. */
function apply(name: string, value: string, words: readonly string[]): string {
  const [first = "", second = ""] = words;
  switch (name) {
    case ",":
      return firstOf(value, (character) => character.toLowerCase());
    case ",,":
      return value.toLowerCase();
    case "^":
      return firstOf(value, (character) => character.toUpperCase());
    case "^^":
      return value.toUpperCase();
    case "#":
      return words.length === 0 ? String(Buffer.byteLength(value)) : trimShortest(value, first);
    case "##":
      return trimLongest(value, first);
    case "%":
      return reversed(trimShortest(reversed(value), reversed(first)));
    case "%%":
      return reversed(trimLongest(reversed(value), reversed(first)));
    case ":":
      return substring(value, words);
    case "/":
      return value.replace(first, () => second);
    case "//":
      return value.replaceAll(first, () => second);
    case "/#":
      return words.length === 2 && value.startsWith(first)
        ? value.replace(first, () => second)
        : value;
    case "/%":
      return words.length === 2 && value.endsWith(first)
        ? value.slice(0, value.length - first.length) + second
        : value;
    default:
      return value === "" ? words.join("") : value;
  }
}

function firstOf(value: string, convert: (character: string) => string): string {
  const [first = "", ...rest] = value;
  return convert(first) + rest.join("");
}

/** Offsets count bytes. What is no number leaves the value as it is. */
function substring(value: string, [offset = "", length]: readonly string[]): string {
  const start = number(offset);
  if (start === undefined) return value;
  const bytes = Buffer.from(value);
  const from = start < 0 ? Math.max(0, bytes.length + start) : start;
  if (length === undefined) return bytes.subarray(from).toString();
  const count = number(length);
  if (count === undefined) return value;
  if (count < 0) throw new SubstitutionError(`the length ${length} of a substring is negative`);
  return bytes.subarray(from, from + count).toString();
}

/** As Go's strconv.Atoi. */
function number(text: string): number | undefined {
  return /^[+-]?[0-9]+$/.test(text) ? Number(text) : undefined;
}

const reversed = (text: string): string => Array.from(text).reverse().join("");

/** Lengths of the prefixes that match, the longest first. A bad pattern matches nothing. */
function* matchingPrefixes(value: string, pattern: string): Generator<number> {
  for (let length = value.length; length > 0; length -= 1) {
    const isMatch = matches(pattern, value.slice(0, length));
    if (isMatch === undefined) return;
    if (isMatch) yield length;
  }
}

function trimLongest(value: string, pattern: string): string {
  const [longest = 0] = matchingPrefixes(value, pattern);
  return value.slice(longest);
}

function trimShortest(value: string, pattern: string): string {
  return value.slice(Array.from(matchingPrefixes(value, pattern)).at(-1) ?? 0);
}
