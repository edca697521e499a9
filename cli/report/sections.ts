/** The sections of a comment below its overview. Pure. */
import type { PackageChange } from "../../contract/notices";
import type { Change, Drift, Machine, MachineEffect, Problem } from "../preview/model";
import type { Block } from "./cut";
import { cell, code, codeBlock, html } from "./escape";

interface Section {
  head: string;
  items: string[];
}

export function problemItems(problems: readonly Problem[]): Section {
  const items = problems.map(({ resource, text, remedy, others }) => {
    const more = others === 0 ? "" : ` and ${others} more`;
    const where = resource === "" ? "" : `${code(resource)}${more}: `;
    const how = remedy === "" ? "" : `  To do: ${code(remedy)}\n`;
    const isShort = !text.includes("\n") && text.length <= LONGEST_LINE;
    if (isShort) return `- ${where}${code(text, LONGEST_LINE)}\n${how}`;
    return `- ${where}\n\n${indented(codeBlock(text))}\n\n${how}`;
  });
  return { head: "", items };
}

const LONGEST_LINE = 300;

/** As part of an item of a list. */
const indented = (text: string): string => text.replace(/^/gm, "  ");

const EFFECT: Readonly<Record<MachineEffect, string>> = {
  blocked: "**blocked**",
  unknown: "**unknown**",
  remove: "**removed**",
  reboot: "**reboot**",
  restart: "**restart**",
  stop: "**stop**",
  create: "new",
  import: "taken over",
  start: "start",
  live: "live switch",
  nextStart: "from its next start",
  nothing: "nothing",
};

export function machineTable(machines: readonly Machine[]): Section {
  const rows = machines.map(({ name, kind, host, effect, reason, packages }) => {
    const where = kind === "VM" && host !== "" ? ` on ${cell(host)}` : "";
    const cells = [`${cell(name)}${where}`, EFFECT[effect], cell(reason), packageText(packages)];
    return `| ${cells.join(" | ")} |\n`;
  });
  const head = "| Machine | Effect | Why | Packages |\n| --- | --- | --- | --- |\n";
  return { head, items: rows };
}

const MOST_PACKAGES = 8;

function packageText(packages: readonly PackageChange[]): string {
  const shown = packages.slice(0, MOST_PACKAGES).map(({ name, from, to }) => {
    if (from === undefined) return cell(`+ ${name} ${to ?? ""}`);
    if (to === undefined) return cell(`- ${name} ${from}`);
    return cell(`${name} ${from} -> ${to}`);
  });
  const rest = packages.length - shown.length;
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join(", ");
}

export function driftTable(drift: readonly Drift[]): Section {
  const rows = drift.map(({ resource, path, recorded, observed, isRepaired }) => {
    const fate = isRepaired ? "this update puts it back" : "";
    const cells = [cell(resource), cell(path), cell(recorded), cell(observed), fate];
    return `| ${cells.join(" | ")} |\n`;
  });
  const head =
    "Changes of the real hosts that this pull request did not ask for:\n\n" +
    "| Resource | Property | Recorded | Observed | |\n| --- | --- | --- | --- | --- |\n";
  return { head, items: rows };
}

/** Folded: one block for each resource. */
export function details(changes: readonly Change[]): Block {
  const items = changes.map(({ resource, op, paths }) => {
    const lines = paths.map(
      ({ path, before, after, isIntended }) =>
        `- ${code(path)}: ${code(before) || "none"}` +
        // The value that an output will have is the provider's to say.
        `${isIntended ? ` → ${code(after) || "none"}` : " (drift)"}\n`,
    );
    const summary = `<summary>${html(`${op} ${resource}`)}</summary>`;
    if (lines.length === 0) return `- ${code(`${op} ${resource}`)}\n`;
    return `\n<details>${summary}\n\n${lines.join("")}\n</details>\n\n`;
  });
  const head = items.length === 0 ? "" : "\n### Details\n\n";
  return { head, items, foot: "", noun: "resources", importance: 1 };
}
