/**
 * Scripts that run on hosts, and how they are sent: a constant command reads the script's length,
 * the script, and its parameters from stdin. Nothing is ever put into the command itself.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ProviderError } from "../../errors";

/** Runs a script that comes on stdin behind a line with its length in bytes. */
export const COMMAND = `exec /bin/sh -c 'IFS= read -r n && s=$(head -c "$n") && eval "$s"'`;

export type Parameters = Readonly<Record<string, string>>;

/** Compiled they lie beside what was compiled with them, in tests beside the sources. */
const SCRIPTS = join(__dirname, "..", "scripts");
const cache = new Map<string, string>();

/**
 * The named files of provider/scripts, one after the other, as one command in braces: a shell that
 * gets only a part of it, because the link was lost, finds no end of the command and runs nothing.
 */
export function script(...names: string[]): string {
  return `{\n${names.map(readScript).join("\n")}\n}\n`;
}

function readScript(name: string): string {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(join(SCRIPTS, `${name}.sh`), "utf8");
  cache.set(name, text);
  return text;
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
