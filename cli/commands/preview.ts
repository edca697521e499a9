/** `pulumi-microvm preview`: previews, and writes the report for a pull request. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, EXIT, messageOf } from "../errors";
import type { ExitCode } from "../errors";
import { writeComment } from "../forge/comments";
import { forgeOf, workflowOf } from "../forge/environment";
import { marker } from "../forge/marker";
import { buildPreview } from "../preview/build";
import type { Preview } from "../preview/build";
import { planKey } from "../preview/planKey";
import { runPreview } from "../preview/run";
import { fullStackName } from "../preview/stackName";
import { comment, wholeReport } from "../report/comment";
import type { RunInfo } from "../report/comment";
import { LONGEST_COMMENT } from "../report/cut";
import { textSummary } from "../report/text";
import type { Terminal } from "../terminal";

export interface PreviewFlags {
  directory: string;
  stack?: string;
  /** Where comment.md, report.md and preview.json are written. */
  out?: string;
  /** Write the sticky comment. */
  comment: boolean;
  pullRequest?: number;
  account?: string;
  json: boolean;
}

export interface Reported extends Preview {
  run: RunInfo;
  /** `PROJECT/STACK`. */
  stack: string;
  key: string | undefined;
}

/** Runs a preview and describes the run. */
export async function takePreview(
  terminal: Terminal,
  flags: Pick<PreviewFlags, "directory" | "stack">,
  args: readonly string[],
  command: string,
): Promise<Reported> {
  const { directory, stack } = flags;
  const key = planKey(process.env);
  const recording = await terminal.during("pulumi preview", () =>
    runPreview({ directory, stack, args }),
  );
  const preview = buildPreview(recording, key);
  const { commit, jobUrl } = workflowOf(process.env);
  const run: RunInfo = {
    stack: "",
    commit,
    jobUrl,
    command: [command, ...(stack === undefined ? [] : [`--stack ${stack}`])].join(" "),
    hash: preview.hash?.hash ?? "",
    ignoresSecrets: key === undefined,
  };
  const known = preview.model.stack;
  const full = known === "" ? await fullStackName(directory, stack) : known;
  return { ...preview, run: { ...run, stack: full }, key, stack: full };
}

export async function preview(
  terminal: Terminal,
  flags: PreviewFlags,
  args: readonly string[],
): Promise<ExitCode> {
  const workflow = workflowOf(process.env);
  const reported = await takePreview(terminal, flags, args, "pulumi-microvm preview");
  const { model, run, hash } = reported;
  terminal.print(flags.json ? jsonOf(reported) : textSummary(model, terminal));
  if (flags.out !== undefined) writeFiles(flags.out, reported);
  if (workflow.summaryFile !== undefined) {
    appendFileSync(workflow.summaryFile, `${wholeReport(model, run)}\n`);
  }
  if (flags.comment) await publish(terminal, flags, reported);
  if (hash !== undefined) return EXIT.done;
  return model.problems.length > 0 ? EXIT.blocked : EXIT.failed;
}

function jsonOf({ model, hash, run }: Reported): string {
  const { commit, jobUrl } = run;
  return JSON.stringify(
    { version: 1, hash: hash?.hash ?? null, commit, jobUrl, ...model },
    null,
    2,
  );
}

/** The comment with its marker. A stack has at most one on each pull request. */
export function commentBody({ model, run, hash, stack, key }: Reported): string {
  const entries = hash?.entries ?? {};
  const facts = { kind: "preview" as const, stack, commit: run.commit, hash: run.hash, entries };
  const first = `${marker(facts, key)}\n`;
  return `${first}${comment(model, run, { longest: LONGEST_COMMENT - first.length })}`;
}

function writeFiles(directory: string, reported: Reported): void {
  mkdirSync(directory, { recursive: true });
  const files = {
    "comment.md": commentBody(reported),
    "report.md": wholeReport(reported.model, reported.run),
    "preview.json": `${jsonOf(reported)}\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

async function publish(
  terminal: Terminal,
  { pullRequest, account }: PreviewFlags,
  reported: Reported,
): Promise<void> {
  const number = pullRequest ?? workflowOf(process.env).pullRequest;
  if (number === undefined) {
    const remedy = "Pass --pull-request NUMBER, or run it in a workflow of a pull request.";
    throw new CliError("there is no pull request to comment on", EXIT.usage, remedy);
  }
  const forge = forgeOf(process.env, account);
  const { stack, key } = reported;
  if (stack === "") throw new CliError("the stack is not known: pass --stack", EXIT.usage);
  try {
    const done = await writeComment(forge, number, stack, commentBody(reported), key);
    terminal.note(`comment on pull request ${number} ${done}`);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`can't comment on ${number}: ${messageOf(error)}`, EXIT.failed);
  }
}
