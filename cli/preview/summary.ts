/** Errors in one line. Pure. */

/**
 * The first line says what failed. If it ends with a colon, the lines below it say why, some with a
 * remedy, which the section of problems shows.
 */
export function summaryOf(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const [first = "", ...more] = lines.filter((line) => line !== "");
  if (!first.endsWith(":")) return first;
  const causes = more.map((line) => line.replace(/^- /, "").replace(/\. Remedy: .*$/, ""));
  return `${first} ${causes.join("; ")}`.trim();
}
