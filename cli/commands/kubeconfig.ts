/** `pulumi-microvm kubeconfig`: the stack's secret output, in a file that only its owner reads. */
import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { CliError, EXIT, messageOf } from "../errors";
import type { ExitCode } from "../errors";
import { pulumiText, stackOption } from "../state/pulumi";
import type { Terminal } from "../terminal";

export interface KubeconfigFlags {
  directory: string;
  stack?: string;
}

export async function kubeconfig(
  terminal: Terminal,
  file: string,
  { directory, stack }: KubeconfigFlags,
): Promise<ExitCode> {
  const args = ["stack", "output", "--json", "--show-secrets", ...stackOption(stack)];
  const text = parseOutput(await pulumiText(directory, args));
  const path = resolve(file);
  writePrivately(path, text);
  terminal.print(`${path} is written. Use it: export KUBECONFIG=${path}`);
  return EXIT.done;
}

function parseOutput(json: string): string {
  const outputs: unknown = JSON.parse(json);
  const isMap = typeof outputs === "object" && outputs !== null;
  const text: unknown = isMap && "kubeconfig" in outputs ? outputs.kubeconfig : undefined;
  if (typeof text === "string" && text !== "") return text;
  throw new CliError(
    "the stack has no output kubeconfig",
    EXIT.failed,
    "Add a cluster to the site and run: pulumi up. A program of your own must export " +
      "`kubeconfig` of its Site",
  );
}

/** Replaces the file as a whole. Nobody else can read it at any time, also if it existed before. */
function writePrivately(path: string, text: string): void {
  const part = `${path}.${randomUUID()}`;
  try {
    writeFileSync(part, text, { mode: 0o600, flag: "wx" });
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw new CliError(`can't write ${path}: ${messageOf(error)}`, EXIT.failed);
  }
}
