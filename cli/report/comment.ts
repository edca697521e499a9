/**
 * The comment on a pull request, most important first: a reviewer is sure within a minute. Pure.
 */
import type { PreviewModel } from "../preview/model";
import { clusterSteps } from "./cluster";
import { LONGEST_COMMENT, fit } from "./cut";
import type { Block } from "./cut";
import { code, link } from "./escape";
import { details, driftTable, machineTable, problemItems, warningItems } from "./sections";
import { glance, headline } from "./glance";

/** What the comment says about its run. Empty where it is not known. */
export interface RunInfo {
  /** `PROJECT/STACK`, as the user named it, if the preview did not come to know it. */
  stack: string;
  commit: string;
  jobUrl: string;
  /** The command that makes this preview again. */
  command: string;
  /** The canonical hash of the plan. Empty if it is not whole. */
  hash: string;
  /** Secrets are not compared: there is no key. */
  ignoresSecrets: boolean;
}

export interface CommentOptions {
  longest?: number;
  /** Where the whole report is. */
  artifact?: string;
}

/** The comment without its marker. */
export function comment(
  model: PreviewModel,
  run: RunInfo,
  { longest = LONGEST_COMMENT, artifact = "the artifact of the job" }: CommentOptions = {},
): string {
  return fit(blocks(model, run), artifact, longest);
}

/** The same, with nothing left out. */
export function wholeReport(model: PreviewModel, run: RunInfo): string {
  return fit(blocks(model, run), "", Number.POSITIVE_INFINITY);
}

function blocks(model: PreviewModel, run: RunInfo): Block[] {
  const { problems, warnings, cluster } = model;
  return [
    fixed(title(model, run)),
    fixed(glance(model)),
    section("Blocked", problemItems(problems), "problems", 9),
    section(`Cluster ${code(cluster?.name ?? "")}`, clusterSteps(cluster), "steps", 9),
    section("Machines", machineTable(model.machines), "machines", 8),
    section("Drift", driftTable(model.drift), "differences", 5),
    section("Warnings", warningItems(warnings), "warnings", 6),
    details(model.changes),
    fixed(again(run)),
  ];
}

function title(model: PreviewModel, run: RunInfo): string {
  const stack = model.stack === "" ? run.stack : model.stack;
  const parts = [
    ...(run.commit === "" ? [] : [`commit ${code(run.commit.slice(0, 12))}`]),
    ...(run.jobUrl === "" ? [] : [link("job", run.jobUrl)]),
    ...(run.hash === "" ? [] : [`plan ${code(run.hash.slice(0, 12))}`]),
  ];
  const facts = parts.length === 0 ? "" : `${parts.join(" · ")}\n\n`;
  return `## ${code(stack) || "Preview"}: ${headline(model)}\n\n${facts}`;
}

function again({ command, ignoresSecrets, hash }: RunInfo): string {
  const secrets =
    hash !== "" && ignoresSecrets
      ? "\n\nThe plan hash does not cover the values of secrets: " +
        "`PULUMI_MICROVM_PLAN_KEY` is not set."
      : "";
  return `\nRun it again: ${code(command)}. A push to this branch renews this comment.${secrets}\n`;
}

function fixed(text: string): Block {
  return { head: text, items: [], foot: "", noun: "", importance: 10 };
}

interface Section {
  head: string;
  items: string[];
}

function section(name: string, { head, items }: Section, noun: string, importance: number): Block {
  if (items.length === 0) return fixed("");
  return { head: `\n### ${name}\n\n${head}`, items, foot: "", noun, importance };
}
