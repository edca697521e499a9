/**
 * Scripts that run on hosts and guests. A constant command reads the length of the script, the
 * script, and its parameters from stdin. The command itself never contains data.
 */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { ProviderError } from "../../errors";

/** Reads a line with the length of the script in bytes and then the script from stdin. Runs it. */
export const COMMAND = `exec /bin/sh -c 'IFS= read -r n && s=$(head -c "$n") && eval "$s"'`;

export type Parameters = Readonly<Record<string, string>>;

/** The compiled program uses the copied scripts, the tests use the sources. */
const SCRIPTS = join(__dirname, "..", "..", "scripts");
const texts = new Map<string, string>();
let paths: ReadonlyMap<string, string> | undefined;

/**
 * The text of scripts of provider/scripts, by name without `.sh`. The scripts that a script needs
 * come first: each script names them in its head, `# needs: begin volume`. Each script occurs once.
 * Braces make the text one command: a shell that receives only a part of it, because the connection
 * was lost, runs nothing.
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

/** Path by script name. The names are unique across all folders. */
function findScripts(): Map<string, string> {
  const files = readdirSync(SCRIPTS, { recursive: true, encoding: "utf8" });
  return new Map(
    files
      .filter((file) => file.endsWith(".sh"))
      .map((file) => [basename(file, ".sh"), join(SCRIPTS, file)]),
  );
}

/** One `name=value` line per parameter, then an empty line. Rejects line breaks in values. */
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

/** The stdin of COMMAND. `payload` follows the parameters; the script reads it. */
export function encodeStdin(text: string, parameters: Parameters, payload = ""): string {
  return `${Buffer.byteLength(text)}\n${text}${encodeParameters(parameters)}${payload}`;
}
