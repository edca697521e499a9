#!/usr/bin/env node
/** The program `pulumi-microvm`: what people and workflows run besides Pulumi. */
import "../compileCache";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { z } from "zod";
import { CliError, EXIT, messageOf } from "./errors";
import type { ExitCode } from "./errors";
import { makeProgram } from "./program";
import { processTerminal } from "./terminal";

async function main(): Promise<ExitCode> {
  const result: { code: ExitCode } = { code: EXIT.done };
  const program = makeProgram(processTerminal(), version(), (code) => (result.code = code));
  try {
    await program.parseAsync(process.argv);
    return result.code;
  } catch (error) {
    // Commander has written its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`pulumi-microvm: ${explain(error)}\n`);
    return error instanceof CliError ? error.exitCode : EXIT.failed;
  }
}

function explain(error: unknown): string {
  if (error instanceof CliError && error.remedy !== undefined) {
    return `${error.message}\n  ${error.remedy}`;
  }
  // What Node says of a program that it did not find.
  if (error instanceof Error && "path" in error && error.path === "pulumi") {
    return "pulumi is not on PATH\n  Install it: https://www.pulumi.com/docs/install/";
  }
  return messageOf(error);
}

/** package.json is two directories above bin/cli/main.js. */
function version(): string {
  const text = readFileSync(join(__dirname, "..", "..", "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

void main().then((code) => {
  process.exitCode = code;
});
