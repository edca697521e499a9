/** The sections of a comment below its overview. Pure. */
import type { PackageChange } from "../../contract/notices";
import type { Change, Drift, Machine, MachineEffect, Problem } from "../preview/model";
import { isComponent } from "../preview/urn";
import type { Block } from "./cut";
import { cell, code, codeBlock, html } from "./escape";

interface Section {
  head: string;
  items: string[];
}

export function problemItems(problems: readonly Problem[]): Section {
  const items = problems.map(({ resource, text, remedy, others }) => {
    const more = others === 0 ? "" : ` and ${others} more`;
    return item(resource === "" ? "Pulumi" : `${code(resource)}${more}`, text, remedy);
  });
  return { head: "", items };
}

/** Warnings of several resources with the same text are one. */
export function warningItems(warnings: readonly Problem[]): Section {
  const resources = new Map<string, string[]>();
  for (const { resource, text } of warnings) {
    // The provider's messages start with the name of their host.
    const host = `${resource.split(" ").pop() ?? ""}: `;
    const what = resource !== "" && text.startsWith(host) ? text.slice(host.length) : text;
    resources.set(what, [...(resources.get(what) ?? []), resource]);
  }
  const items = [...resources].map(([what, of]) =>
    item(of.map((resource) => code(resource) || "Pulumi").join(", "), what, ""),
  );
  return { head: "", items };
}

function item(where: string, text: string, remedy: string): string {
  const how = remedy === "" ? "" : `  To do: ${code(remedy)}\n`;
  const isShort = !text.includes("\n") && text.length <= LONGEST_LINE;
  if (isShort) return `- ${where}: ${code(text, LONGEST_LINE)}\n${how}`;
  return `- ${where}:\n\n${indented(codeBlock(folded(text)))}\n\n${how}`;
}

const LONGEST_LINE = 300;

/** Blocks do not fold long lines, and the end of a line is often the remedy. */
function folded(text: string): string {
  const fold = (line: string): string => {
    const at = line.lastIndexOf(" ", COLUMNS);
    const indent = /^[\s-]*/.exec(line)?.[0].length ?? 0;
    if (line.length <= COLUMNS || at <= indent) return line;
    return `${line.slice(0, at)}\n${fold(" ".repeat(indent) + line.slice(at + 1))}`;
  };
  return text.split("\n").map(fold).join("\n");
}

const COLUMNS = 100;

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
  const hasPackages = machines.some(({ packages }) => packages.length > 0);
  const rows = machines.map(({ name, kind, host, effect, reason, packages }) => {
    const where = kind === "VM" && host !== "" ? ` on ${cell(host)}` : "";
    const cells = [`${cell(name)}${where}`, EFFECT[effect], cell(reason)];
    return row(hasPackages ? [...cells, packageText(packages)] : cells);
  });
  const columns = ["Machine", "Effect", "Why", ...(hasPackages ? ["Packages"] : [])];
  return { head: tableHead(columns), items: rows };
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
const tableHead = (columns: readonly string[]): string =>
  row(columns) + row(columns.map(() => "---"));

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
  const isRepairing = drift.some(({ isRepaired }) => isRepaired);
  const rows = drift
    .filter(({ isConsequence }) => !isConsequence)
    .map((one) => {
      const { resource, path, recorded, observed, isRepaired } = one;
      const cells = [cell(resource), cell(path) + withIt(one, drift), cell(recorded)];
      const fate = isRepairing ? [isRepaired ? "put back" : ""] : [];
      return row([...cells, cell(observed), ...fate]);
    });
  const columns = ["Resource", "Property", "Recorded", "Observed"];
  const head =
    "Changes of the real hosts that this pull request did not ask for:\n\n" +
    tableHead(isRepairing ? [...columns, "This update"] : columns);
  return { head, items: rows };
}

/** What changed with the first drift of a resource, by name: its values are in the JSON. */
function withIt(one: Drift, drift: readonly Drift[]): string {
  const same = drift.filter(({ resource }) => resource === one.resource);
  const consequences = same.filter(({ isConsequence }) => isConsequence);
  const isFirst = same.find(({ isConsequence }) => !isConsequence) === one;
  if (consequences.length === 0 || !isFirst) return "";
  return ` and, with it, ${consequences.map(({ path }) => cell(path)).join(", ")}`;
}

/** Folded: one block for each resource. */
export function details(changes: readonly Change[]): Block {
  const real = changes.filter(({ urn }) => !isComponent(urn));
  const items = real.map(({ resource, op, paths }) => {
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
