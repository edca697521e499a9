/** The command line: its commands, options and help. */
import { Command, InvalidArgumentError } from "commander";
import { apply } from "./commands/apply";
import type { ApplyFlags } from "./commands/apply";
import { preview } from "./commands/preview";
import type { PreviewFlags } from "./commands/preview";
import type { ExitCode } from "./errors";
import type { Terminal } from "./terminal";

const EXIT_CODES = `
Exit codes:
  0  done
  1  failed: Pulumi, the network or a host
  2  wrong arguments, or a setting is missing
  3  the preview has errors
  4  the plan is not the reviewed one
  5  something was found, such as drift or a fault`;

export function makeProgram(
  terminal: Terminal,
  version: string,
  end: (code: ExitCode) => void,
): Command {
  const program = new Command("pulumi-microvm")
    .description("Reviews and applies changes of a pulumi-microvm site.")
    .version(version)
    .option("-C, --cwd <directory>", "the Pulumi project", process.cwd())
    .option("-s, --stack <name>", "the stack; default: the selected one")
    .addHelpText("after", EXIT_CODES)
    .showHelpAfterError("(pulumi-microvm --help lists commands and options)")
    .exitOverride();
  const shared = (): { directory: string; stack?: string } => {
    const { cwd: directory, stack } = program.opts<{ cwd: string; stack?: string }>();
    return { directory, ...(stack !== undefined && { stack }) };
  };

  program
    .command("preview")
    .description("preview changes, and report them on a pull request")
    .argument("[pulumi-options...]", "options for pulumi preview, after --")
    .option("--out <directory>", "write comment.md, report.md and preview.json there")
    .option("--comment", "write the comment on the pull request", false)
    .option("--pull-request <number>", "default: that of the workflow", wholeNumber)
    .option("--account <name>", "whose comment is renewed; default: the token's account")
    .option("--json", "print the report as JSON", false)
    .action(async (args: string[], flags: Omit<PreviewFlags, "directory" | "stack">) => {
      end(await preview(terminal, { ...flags, ...shared() }, args));
    });

  program
    .command("apply")
    .description("pulumi up, if the plan is still the one reviewed on the pull request")
    .argument("[pulumi-options...]", "options for pulumi preview and pulumi up, after --")
    .option("--hash <hash>", "the reviewed plan, instead of that of a comment")
    .option("--pull-request <number>", "default: the merged one of the commit", wholeNumber)
    .option("--account <name>", "whose comment counts; default: the token's account")
    .action(async (args: string[], flags: Omit<ApplyFlags, "directory" | "stack">) => {
      end(await apply(terminal, { ...flags, ...shared() }, args));
    });

  return program;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It must be a number.");
  return Number(text);
}
