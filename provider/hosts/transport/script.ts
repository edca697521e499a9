/**
 * Scripts that run on hosts and guests, and how they are sent. A constant command reads the script's
 * length, the script, and its parameters from stdin. Nothing is ever put into the command itself.
 */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { ProviderError } from "../../errors";

/** Runs a script that comes on stdin behind a line with its length in bytes. */
export const COMMAND = `exec /bin/sh -c 'IFS= read -r n && s=$(head -c "$n") && eval "$s"'`;

export type Parameters = Readonly<Record<string, string>>;

/** The compiled program has the scripts beside it; the tests use the sources. */
const SCRIPTS = join(__dirname, "..", "..", "scripts");
const texts = new Map<string, string>();
let paths: ReadonlyMap<string, string> | undefined;

/**
 * A script of provider/scripts by its name without `.sh`, behind the scripts that it needs. Each
 * script names those in its head: `# needs: begin volume`. Several names give one text in which no
 * script stands twice. The text is one command in braces: a shell that receives only a part of it,
 * because the link was lost, finds no end of the command and runs nothing.
 */
export function script(...names: string[]): string {
  return `{\n${withNeeds(names).map(textOf).join("\n")}\n}\n`;
}

/** The names in the order in which a shell must read them. */
export function withNeeds(names: readonly string[]): string[] {
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    needsOf(name).forEach(visit);
    ordered.push(name);
  };
  names.forEach(visit);
  return ordered;
}

function needsOf(name: string): string[] {
  const line = /^# needs: (.+)$/m.exec(textOf(name))?.[1];
  return line === undefined ? [] : line.split(" ");
}

function textOf(name: string): string {
  const known = texts.get(name);
  if (known !== undefined) return known;
  paths ??= findScripts();
  const path = paths.get(name);
  if (path === undefined) throw new Error(`there is no script ${name}`);
  const text = readFileSync(path, "utf8");
  texts.set(name, text);
  return text;
}

/** The name of a script is unique among all of them. */
function findScripts(): Map<string, string> {
  const files = readdirSync(SCRIPTS, { recursive: true, encoding: "utf8" });
  return new Map(
    files
      .filter((file) => file.endsWith(".sh"))
      .map((file) => [basename(file, ".sh"), join(SCRIPTS, file)]),
  );
}

/** One `name=value` line each, ended by an empty line. Line breaks in a value are refused. */
export function encodeParameters(parameters: Parameters): string {
  const lines = Object.entries(parameters).map(([name, value]) => {
    if (!/^[a-z][a-z_]*$/.test(name)) throw new Error(`parameter name ${JSON.stringify(name)}`);
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u001f\u007f]/.test(value)) {
      throw new ProviderError("input", `${name}: control characters are not allowed`);
    }
    return `${name}=${value}\n`;
  });
  return `${lines.join("")}\n`;
}

/** What goes to stdin of COMMAND; `payload` follows the parameters and is read by the script. */
export function encodeStdin(text: string, parameters: Parameters, payload = ""): string {
  return `${Buffer.byteLength(text)}\n${text}${encodeParameters(parameters)}${payload}`;
}
