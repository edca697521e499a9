/** Finds lines of shell scripts and Nix files over 100 columns. ESLint checks TypeScript. */

const MOST_COLUMNS = 100;

/** `FILE:LINE` of each line over 100 columns. A line with a URL may be longer. */
export function longLines(file: string, text: string): string[] {
  return text
    .split("\n")
    .map((line, index) => ({ line, place: `${file}:${index + 1}` }))
    .filter(({ line }) => columnsOf(line) > MOST_COLUMNS && !/https?:\/\//.test(line))
    .map(({ place }) => place);
}

/** Counts characters, not UTF-16 code units. */
function columnsOf(line: string): number {
  return Array.from(line).length;
}
