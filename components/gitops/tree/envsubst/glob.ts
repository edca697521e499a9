/** Shell patterns as fluxcd/pkg envsubst/path/match.go has them: `*` matches `/` too. Pure. */

/** Undefined if the pattern is malformed. The whole text must match. */
export function matches(pattern: string, text: string): boolean | undefined {
  const expression = expressionOf(Array.from(pattern));
  return expression === undefined ? undefined : new RegExp(`^${expression}$`, "su").test(text);
}

function expressionOf(pattern: readonly string[]): string | undefined {
  let expression = "";
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern[index] ?? "";
    if (character === "*") expression += ".*";
    else if (character === "?") expression += ".";
    else if (character === "\\") {
      index += 1;
      const next = pattern[index];
      if (next === undefined) return undefined;
      expression += literal(next);
    } else if (character === "[") {
      const found = characterClass(pattern, index + 1);
      if (found === undefined) return undefined;
      expression += found.expression;
      index = found.end;
    } else expression += literal(character);
  }
  return expression;
}

/** `[a-z]` or `[^a-z]`. `end` is the index of the closing bracket. */
function characterClass(
  pattern: readonly string[],
  start: number,
): { expression: string; end: number } | undefined {
  let index = start;
  const isNegated = pattern[index] === "^";
  if (isNegated) index += 1;
  const ranges: string[] = [];
  const one = (): string | undefined => {
    if (pattern[index] === "-" || pattern[index] === "]") return undefined;
    if (pattern[index] === "\\") index += 1;
    const character = pattern[index];
    index += 1;
    return character;
  };
  while (pattern[index] !== "]" || ranges.length === 0) {
    const low = one();
    if (low === undefined) return undefined;
    let high: string | undefined = low;
    if (pattern[index] === "-") {
      index += 1;
      high = one();
    }
    if (high === undefined) return undefined;
    if (low <= high) ranges.push(`${codePoint(low)}-${codePoint(high)}`);
    else ranges.push("");
  }
  const inner = ranges.join("");
  const none = isNegated ? "." : "(?!)";
  const expression = inner === "" ? none : `[${isNegated ? "^" : ""}${inner}]`;
  return { expression, end: index };
}

const codePoint = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

const literal = codePoint;
