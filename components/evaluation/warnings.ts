/** The warnings of an evaluation that succeeded. Pure. */
import { z } from "zod";
import type { FlakeOutput } from "./output";

/** Warnings of Nix code: `builtins.warn`, `lib.warn`, `builtins.trace`. Not those of Nix itself. */
const START = /^(?:trace: |(?=evaluation warning: ))(?:(?:evaluation )?warning: )?(.*)$/;
/** Other messages of Nix. They end a message of several lines. */
const OTHER = new RegExp(
  "^(?:warning: |error|building |copying |fetching |unpacking |downloading |evaluating " +
    "|querying |using |these |this |waiting |\\s+/nix/store/)",
);
/** Colors, as the `lib.warn` of older nixpkgs uses them. */
// eslint-disable-next-line no-control-regex -- the escape character of colors
const COLORS = /\u001b\[[0-9;]*m/g;

/** The warnings and traces in Nix's standard error, each once. */
export function parseWarnings(stderr: string): string[] {
  const found: string[] = [];
  let isOpen = false;
  for (const line of stderr.replace(COLORS, "").split(/\r?\n/)) {
    const start = START.exec(line)?.[1];
    if (start !== undefined) found.push(start);
    else if (isOpen && !OTHER.test(line)) found.push(`${found.pop() ?? ""}\n${line}`);
    isOpen = start !== undefined || (isOpen && !OTHER.test(line));
  }
  return [...new Set(found.map((text) => text.trim()))].filter((text) => text !== "");
}

/**
 * One text for each warning, with all machines that have it: `kw1, kw2: TEXT`. The output names the
 * machines of NixOS's `warnings`, which Nix prints too, without a name.
 */
export function warningsOf({ machines, hypervisors, warnings }: FlakeOutput): string[] {
  const all = new Map<string, { text: string; names: string[] }>();
  const add = (text: string, names: string[]): void => {
    const known = all.get(keyOf(text));
    if (known === undefined) all.set(keyOf(text), { text: text.trim(), names });
    else known.names = [...new Set([...known.names, ...names])];
  };
  for (const [name, machine] of [...Object.entries(hypervisors), ...Object.entries(machines)]) {
    for (const text of machine.warnings) add(text, [name]);
  }
  for (const text of warnings) add(text, []);
  return [...all.values()].map(({ text, names }) =>
    names.length === 0 ? text : `${names.join(", ")}: ${text}`,
  );
}

/** Nix indents the lines of a long message. */
function keyOf(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

const json = z.string().transform((text): unknown => JSON.parse(text));
const configuration = json.pipe(z.record(z.string(), z.string()));
const secretKeys = json.pipe(z.array(z.string()));
/** A line of a key, or a password. Shorter texts could be part of any text. */
const SHORTEST_SECRET = 6;

/** The lines of the stack's secrets, from the variables by which the engine passes them. */
export function secretLines(environment: NodeJS.ProcessEnv): string[] {
  const values = configuration.safeParse(environment["PULUMI_CONFIG"] ?? "{}");
  const keys = secretKeys.safeParse(environment["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]");
  if (!values.success || !keys.success) return [];
  return keys.data
    .flatMap((key) => (values.data[key] ?? "").split("\n"))
    .map((line) => line.trim())
    .filter((line) => line.length >= SHORTEST_SECRET);
}

/** An evaluation contains no secret of the stack unless the flake contains one. */
export function withoutSecrets(text: string, secrets: string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
}
