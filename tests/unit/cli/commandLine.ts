/** Whether the program has the command and the options of a command line. Nothing runs. */
import { makeProgram } from "../../../cli/program";
import { processTerminal } from "../../../cli/terminal";

/** Rejects with Commander's error if it does not. `words` come after `pulumi-microvm`. */
export async function parseCommandLine(words: readonly string[]): Promise<void> {
  const program = makeProgram(processTerminal(), "0", () => undefined);
  const silent = { writeOut: () => undefined, writeErr: () => undefined };
  program.configureOutput(silent);
  for (const command of program.commands) {
    command.configureOutput(silent).exitOverride();
    command.action(() => undefined);
  }
  await program.parseAsync(["node", "pulumi-microvm", ...words]);
}
