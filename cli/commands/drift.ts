/** `pulumi-microvm drift`: previews what is merged already, and keeps one issue about drift. */
import { CliError, EXIT } from "../errors";
import type { ExitCode } from "../errors";
import { writeDriftIssue } from "../forge/driftIssue";
import { forgeOf } from "../forge/environment";
import { marker } from "../forge/marker";
import { comment } from "../report/comment";
import { LONGEST_COMMENT } from "../report/cut";
import { textSummary } from "../report/text";
import type { Terminal } from "../terminal";
import { takePreview } from "./preview";
import type { Reported } from "./preview";

export interface DriftFlags {
  directory: string;
  stack?: string;
  issue: boolean;
  account?: string;
}

export async function drift(
  terminal: Terminal,
  flags: DriftFlags,
  args: readonly string[],
): Promise<ExitCode> {
  const reported = await takePreview(terminal, flags, args, "pulumi-microvm drift");
  const { model } = reported;
  terminal.print(textSummary(model, terminal));
  const hasDrift = model.drift.length > 0;
  // An issue is not closed because a host was away.
  if (flags.issue && (hasDrift || model.isWhole)) await keepIssue(terminal, flags, reported);
  if (!model.isWhole) return model.problems.length > 0 ? EXIT.blocked : EXIT.failed;
  return hasDrift ? EXIT.findings : EXIT.done;
}

async function keepIssue(
  terminal: Terminal,
  { account }: DriftFlags,
  reported: Reported,
): Promise<void> {
  const { stack, key, model } = reported;
  if (stack === "") throw new CliError("the stack is not known: pass --stack", EXIT.usage);
  const body = model.drift.length === 0 ? undefined : issueBody(reported);
  const issue = { title: `Drift of ${stack}`, body };
  const done = await writeDriftIssue(forgeOf(process.env, account), stack, issue, key);
  terminal.note(`issue about drift: ${done}`);
}

function issueBody({ model, run, stack, key }: Reported): string {
  const facts = { kind: "drift" as const, stack, commit: run.commit, hash: "", entries: {} };
  const first = `${marker(facts, key)}\n`;
  return `${first}${comment(model, run, { longest: LONGEST_COMMENT - first.length })}`;
}
