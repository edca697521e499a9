/** `pulumi-microvm apply`: `pulumi up`, if the plan is still the one that was reviewed. */
import { spawn } from "node:child_process";
import { CliError, EXIT } from "../errors";
import type { ExitCode } from "../errors";
import { findComment, pullRequestOf } from "../forge/comments";
import { forgeOf, workflowOf } from "../forge/environment";
import type { Marker } from "../forge/marker";
import { planDifference } from "../preview/hash";
import type { PlanHash } from "../preview/hash";
import { passSignals } from "../preview/run";
import { shortName } from "../preview/urn";
import { textSummary } from "../report/text";
import type { Terminal } from "../terminal";
import { takePreview } from "./preview";
import type { Reported } from "./preview";

export interface ApplyFlags {
  directory: string;
  stack?: string;
  /** The reviewed hash, instead of the one of a comment. */
  hash?: string;
  pullRequest?: number;
  account?: string;
}

/** A plan that a person has seen. */
interface Reviewed {
  hash: string;
  entries: Record<string, string>;
  /** Where it was reviewed, for messages. */
  place: string;
}

export async function apply(
  terminal: Terminal,
  flags: ApplyFlags,
  args: readonly string[],
): Promise<ExitCode> {
  const now = await takePreview(terminal, flags, args, "pulumi-microvm apply");
  terminal.print(textSummary(now.model, terminal));
  if (now.hash === undefined) {
    terminal.note("Nothing was changed: the preview failed.");
    return now.model.problems.length > 0 ? EXIT.blocked : EXIT.failed;
  }
  if (Object.keys(now.hash.entries).length === 0 && now.model.drift.length === 0) {
    terminal.print("There is nothing to do.");
    return EXIT.done;
  }
  const reviewed = await reviewedPlan(flags, now);
  if (!isSamePlan(reviewed.hash, now.hash.hash)) {
    terminal.print(differenceText(reviewed, now.hash, now));
    return EXIT.notReviewed;
  }
  terminal.note(`The plan is the one of ${reviewed.place}.`);
  return up(flags, args);
}

/** A person may pass the start of a hash, as comments show it. */
function isSamePlan(reviewed: string, now: string): boolean {
  return reviewed.length >= SHORTEST_HASH && now.startsWith(reviewed);
}

const SHORTEST_HASH = 12;

async function reviewedPlan(flags: ApplyFlags, now: Reported): Promise<Reviewed> {
  if (flags.hash !== undefined) return { hash: flags.hash, entries: {}, place: "--hash" };
  const forge = forgeOf(process.env, flags.account);
  const { commit, pullRequest: current } = workflowOf(process.env);
  const number = flags.pullRequest ?? current ?? (await pullRequestOf(forge, commit));
  if (number === undefined) {
    throw new CliError(
      `commit ${commit} came with no merged pull request, so nobody has reviewed this plan`,
      EXIT.notReviewed,
      "Merge a pull request, or pass the plan that you have reviewed: --hash HASH.",
    );
  }
  const found = await findComment(forge, number, now.stack, now.key);
  const place = `pull request ${number}`;
  if (found === undefined) {
    throw new CliError(
      `${place} has no comment of this workflow's account about ${now.stack}`,
      EXIT.notReviewed,
      "Was the preview run there? Run the workflow of the pull request again, and look at it.",
    );
  }
  requireUsable(found.marker, place);
  return { hash: found.marker.hash, entries: found.marker.entries, place };
}

function requireUsable({ isSigned, hash }: Marker, place: string): void {
  if (!isSigned) {
    throw new CliError(
      `the comment on ${place} is not signed with this workflow's key`,
      EXIT.notReviewed,
      "Use the same PULUMI_MICROVM_PLAN_KEY, or passphrase, for previews and for apply.",
    );
  }
  if (hash === "") {
    throw new CliError(
      `the preview on ${place} failed, so there was no plan to review`,
      EXIT.notReviewed,
      "Mend what its comment names, push, and look at the new preview.",
    );
  }
}

function differenceText(reviewed: Reviewed, now: PlanHash, { model }: Reported): string {
  const urns = [...model.changes.map(({ urn }) => urn), ...model.unchanged];
  const { added, changed, removed } = planDifference(reviewed.entries, now, urns);
  const isListed = Object.keys(reviewed.entries).length > 0;
  const list = (what: string, names: string[]): string[] =>
    names.map((urn) => `  ${what}: ${shortName(urn) || urn}`);
  return [
    `The plan is not the one of ${reviewed.place}: nothing was changed.`,
    `  reviewed ${reviewed.hash}`,
    `  now      ${now.hash}`,
    ...(isListed
      ? [
          ...list("not reviewed", added),
          ...list("changed since", changed),
          ...list("no longer planned", removed),
        ]
      : []),
    "Open a pull request, or run the preview of the merged one again, and look at the new plan.",
  ].join("\n");
}

function up({ directory, stack }: ApplyFlags, args: readonly string[]): Promise<ExitCode> {
  const name = stack === undefined ? [] : [`--stack=${stack}`];
  return new Promise((resolve, reject) => {
    const command = ["up", "--yes", "--skip-preview", "--non-interactive", ...name, ...args];
    const child = spawn("pulumi", command, {
      cwd: directory,
      env: process.env,
      stdio: "inherit",
    });
    child.on("error", reject);
    child.on("close", (code) => resolve(code === 0 ? EXIT.done : EXIT.failed));
    passSignals(child);
  });
}
