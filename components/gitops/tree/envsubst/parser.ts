/** Text with `${...}` -> nodes: fluxcd/pkg envsubst/parse/parse.go. Pure. */
import { Scanner } from "./scanner";
import type { Accept, Mode } from "./scanner";

export type Node =
  | { kind: "text"; text: string }
  /** `name` is the operator: "" for `${var}`, `:=`, `//`, ... */
  | { kind: "function"; variable: string; name: string; arguments: Node[] };

/** The text has a substitution that Flux rejects. */
export class SubstitutionError extends Error {}

const BAD = "bad substitution";

const isIdentifier: Accept = (character) => /^[\p{L}\p{Nd}_]$/u.test(character);
const isNotClosing: Accept = (character) => character !== "}";
const isNotSlash: Accept = (character) => character !== "/";
const isWithinArgument: Accept = (character) => character !== ":" && character !== "}";
const is =
  (...characters: string[]): Accept =>
  (character) =>
    characters.includes(character);
const atMost =
  (length: number, accept: Accept): Accept =>
  (character, index) =>
    index <= length && accept(character, index);
/** The first character is one of `first`, the second one of `second`. */
const pair =
  (first: Accept, second: Accept): Accept =>
  (character, index) =>
    (index === 1 && first(character, index)) || (index === 2 && second(character, index));

export function parse(text: string): Node[] {
  const scanner = new Scanner(text);
  const nodes: Node[] = [];
  for (;;) {
    scanner.escapesBackslash = false;
    scanner.accept = () => true;
    scanner.mode = { text: true, open: true, escape: true };
    const token = scanner.scan();
    if (token === "end") return nodes;
    if (token === "text") nodes.push({ kind: "text", text: scanner.token });
    else if (token === "open") nodes.push(parseFunction(scanner));
    else throw new SubstitutionError(BAD);
  }
}

/** What follows `${`. */
function parseFunction(scanner: Scanner): Node {
  scanner.escapesBackslash = true;
  if (scanner.peek() === "#") return parseLength(scanner);
  const variable = take(scanner, isIdentifier, {}, "unable to parse variable name");
  switch (scanner.peek()) {
    case ":":
      return ["=", "-", "?", "+"].includes(scanner.peek(1))
        ? parseDefault(scanner, variable)
        : parseSubstring(scanner, variable);
    case "=":
      return parseDefault(scanner, variable);
    case ",":
    case "^":
      return close(scanner, { variable, name: take(scanner, atMost(2, is(",", "^"))) });
    case "/":
      return parseReplace(scanner, variable);
    case "#":
      return parseRemove(scanner, variable, atMost(2, is("#")));
    case "%":
      return parseRemove(scanner, variable, atMost(2, is("%")));
    default:
      return close(scanner, { variable, name: "" }, "missing closing brace");
  }
}

/** `${#var}` */
function parseLength(scanner: Scanner): Node {
  const name = take(scanner, atMost(1, is("#")));
  return close(scanner, { variable: take(scanner, isIdentifier), name });
}

/** `${var=word}`, `${var:=word}`, `${var:-word}` and their kin; `word` may contain `${}`. */
function parseDefault(scanner: Scanner, variable: string): Node {
  const operator = scanner.peek() === "=" ? atMost(1, is("=")) : DEFAULT_OPERATOR;
  const name = take(scanner, operator, {}, "unable to parse default function");
  const all: Node[] = [];
  while (scanner.peek() !== "}") all.push(parseArgument(scanner, isNotClosing));
  return close(scanner, { variable, name, arguments: all });
}
const DEFAULT_OPERATOR = pair(is(":"), is("=", "-", "?", "+"));

/** `${var:offset}` and `${var:offset:length}` */
function parseSubstring(scanner: Scanner, variable: string): Node {
  const name = take(scanner, atMost(1, is(":")));
  const offset = parseArgument(scanner, isWithinArgument);
  scanner.accept = is(":");
  scanner.mode = { text: true, close: true };
  const token = scanner.scan();
  if (token === "close") return { kind: "function", variable, name, arguments: [offset] };
  if (token !== "text") throw new SubstitutionError(BAD);
  const length = parseArgument(scanner, isNotClosing);
  return close(scanner, { variable, name, arguments: [offset, length] });
}

/** `${var#word}`, `${var##word}`, `${var%word}`, `${var%%word}` */
function parseRemove(scanner: Scanner, variable: string, operator: Accept): Node {
  const name = take(scanner, operator);
  const word = parseArgument(scanner, isNotClosing);
  return close(scanner, { variable, name, arguments: [word] });
}

/** `${var/old/new}`, `${var//old/new}`, `${var/#old/new}`, `${var/%old/new}` */
function parseReplace(scanner: Scanner, variable: string): Node {
  const name = take(scanner, pair(is("/"), is("/", "#", "%")));
  const old = parseArgument(scanner, isNotSlash, { escape: true });
  take(scanner, is("/"));
  if (scanner.peek() === "}") return close(scanner, { variable, name, arguments: [old] });
  const word = parseArgument(scanner, isNotClosing, { escape: true });
  return close(scanner, { variable, name, arguments: [old, word] });
}

function parseArgument(scanner: Scanner, accept: Accept, mode: Mode = {}): Node {
  scanner.accept = accept;
  scanner.mode = { ...mode, text: true, open: true };
  const token = scanner.scan();
  if (token === "open") return parseFunction(scanner);
  if (token === "text") return { kind: "text", text: scanner.token };
  throw new SubstitutionError("unable to parse substitution within function");
}

/** One token of text. */
function take(scanner: Scanner, accept: Accept, mode: Mode = {}, fault = BAD): string {
  scanner.accept = accept;
  scanner.mode = { ...mode, text: true };
  if (scanner.scan() !== "text") throw new SubstitutionError(fault);
  return scanner.token;
}

function close(
  scanner: Scanner,
  node: { variable: string; name: string; arguments?: Node[] },
  fault = BAD,
): Node {
  scanner.mode = { close: true };
  if (scanner.scan() !== "close") throw new SubstitutionError(fault);
  return { kind: "function", arguments: [], ...node };
}
