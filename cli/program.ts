/** The command line: its commands, options and help. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { apply } from "./commands/apply";
import type { ApplyFlags } from "./commands/apply";
import { doctor } from "./commands/doctor";
import { drift } from "./commands/drift";
import type { DriftFlags } from "./commands/drift";
import { kubeconfig } from "./commands/kubeconfig";
import { preview } from "./commands/preview";
import type { PreviewFlags } from "./commands/preview";
import { purge } from "./commands/purge";
import type { PurgeFlags } from "./commands/purge";
import { status } from "./commands/status";
import { validate } from "./commands/validate";
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
    .option("-C, --cwd <directory>", "the Pulumi project; default: the current directory")
    .option("-s, --stack <name>", "the stack; default: the selected one")
    .addHelpText("after", EXIT_CODES)
    .showHelpAfterError("(pulumi-microvm --help lists commands and options)")
    .exitOverride();
  const shared = (): { directory: string; stack?: string } => {
    const { cwd = ".", stack } = program.opts<{ cwd?: string; stack?: string }>();
    return { directory: resolve(cwd), ...(stack !== undefined && { stack }) };
  };

  program
    .command("preview")
    .description("preview changes, and report them on a pull request")
    .argument("[pulumi-options...]", "options for pulumi preview, after --")
    .option("--out <directory>", "write comment.md, report.md and preview.json there")
    .option("--comment", "write the comment on the pull request")
    .option("--pull-request <number>", "default: that of the workflow", wholeNumber)
    .option("--account <name>", "whose comment is renewed; default: the token's account")
    .option("--json", "print the report as JSON")
    .action(async (args: string[], flags: Partial<PreviewFlags>) => {
      const given = { comment: false, json: false, ...flags, ...shared() };
      end(await preview(terminal, given, args));
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

  program
    .command("drift")
    .description("look for drift; keep one issue about it")
    .argument("[pulumi-options...]", "options for pulumi preview, after --")
    .option("--issue", "open, renew or close the issue of this stack")
    .option("--account <name>", "whose issue it is; default: the token's account")
    .action(async (args: string[], flags: Partial<DriftFlags>) => {
      end(await drift(terminal, { issue: false, ...flags, ...shared() }, args));
    });

  program
    .command("status")
    .description("list hypervisors and VMs, and what no state knows; changes nothing")
    .option("--json", "print it as JSON")
    .option("--watch [seconds]", "again and again; default: every 10 seconds", seconds)
    .action(async ({ json = false, watch }: { json?: boolean; watch?: number | true }) => {
      const every = watch === undefined ? {} : { watch: watch === true ? 10 : watch };
      end(await status(terminal, { json, ...every, ...shared() }));
    });

  program
    .command("purge")
    .description("remove one retained volume or orphan of this stack for good")
    .argument("<name>", "VM, or VM.VOLUME, as status lists it")
    .option("--host <name>", "the hypervisor, if several have it")
    .option("--confirm <name>", "the name once more, instead of the question")
    .action(async (name: string, flags: Omit<PurgeFlags, "directory" | "stack">) => {
      end(await purge(terminal, name, { ...flags, ...shared() }));
    });

  program
    .command("kubeconfig")
    .description("write the kubeconfig of the stack's cluster to a file with mode 0600")
    .argument("[file]", "where to write it", "kubeconfig")
    .action(async (file: string) => {
      end(await kubeconfig(terminal, file, shared()));
    });

  program
    .command("validate")
    .description("check the site file and evaluate the flake; contacts no host")
    .option("--site <file>", "default: that of the stack")
    .option("--no-flake", "only the site file")
    .action(async (flags: { site?: string; flake: boolean }) => {
      end(await validate(terminal, { ...flags, ...shared() }));
    });

  program
    .command("doctor")
    .description("list what this machine and each host lack, with remedies")
    .option("--site <file>", "default: that of the stack")
    .option("--no-hosts", "only this machine")
    .action(async (flags: { site?: string; hosts: boolean }) => {
      end(await doctor(terminal, { ...flags, ...shared() }));
    });

  return program;
}

function seconds(text: string): number {
  const value = wholeNumber(text);
  if (value > 86_400) throw new InvalidArgumentError("It must be at most a day.");
  return value;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It must be a number.");
  return Number(text);
}
