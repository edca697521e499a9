/**
 * The overview at the top of a comment: one line for each thing that a reviewer must not miss, so
 * that deletions, restarts and blockers are always among the first lines. Pure.
 */
import type { Machine, MachineEffect, PreviewModel, Problem } from "../preview/model";
import { summaryOf } from "../preview/summary";
import { clusterGlance, clusterHeadline } from "./cluster";
import { code } from "./escape";

/** Names in one line. The sections below have all. */
const MOST_NAMES = 12;

/** `2 blocked, 1 deletion, 3 restarts`. */
export function headline(model: PreviewModel): string {
  if (!model.isWhole && model.problems.length === 0) return "the preview did not end";
  const reboots = machinesWith(model, "reboot");
  const restarts = machinesWith(model, "restart");
  const parts = [
    ...(model.problems.length > 0
      ? [`blocked by ${plural(model.problems.length, "problem")}`]
      : []),
    ...clusterHeadline(model.cluster),
    ...(model.deletions.length > 0 ? [plural(model.deletions.length, "deletion")] : []),
    ...(reboots.length > 0 ? [plural(reboots.length, "reboot")] : []),
    ...(restarts.length > 0 ? [plural(restarts.length, "restart")] : []),
  ];
  const drifted = driftedResources(model);
  const drift = drifted.length > 0 ? [`drift of ${plural(drifted.length, "resource")}`] : [];
  if (parts.length > 0) return [...parts, ...drift].join(", ");
  const { create, update, other } = model.counts;
  const changes = create + update + other;
  if (changes === 0) return drift[0] ?? "no changes";
  return [plural(changes, "change"), "nothing restarts", ...drift].join(", ");
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function machinesWith({ machines }: PreviewModel, ...effects: MachineEffect[]): Machine[] {
  return machines.filter(({ effect }) => effects.includes(effect));
}

/** Counts, then a list in the order of importance. */
export function glance(model: PreviewModel): string {
  const cluster = clusterGlance(model.cluster);
  const found = [
    lines("Blocked", model.problems.map(problemLine)),
    ...cluster.facts.map(([what, text]) => fact(what, text)),
    ...cluster.lists.map(([what, names]) => line(what, names)),
    lines(
      "Deleted",
      model.deletions.map(({ resource, fate }) =>
        fate === "" ? resource : `${resource}: ${fate}`,
      ),
    ),
    line(
      "Data lost",
      model.volumes.filter(({ losesData }) => losesData).map(({ volume }) => volume),
    ),
    lines(
      "Volumes",
      volumesThatStay(model).map(({ volume, text }) => `${volume}: ${text}`),
    ),
    line("Hosts that reboot", names(machinesWith(model, "reboot"))),
    line("VMs that restart", names(machinesWith(model, "restart"))),
    line("VMs that stop", names(machinesWith(model, "stop"))),
    ...unread(model),
    line("Drift", driftedResources(model)),
  ].filter((text) => text !== "");
  const list = found.length === 0 ? "" : `\n${found.join("\n")}\n`;
  return `${countsText(model)}\n${list}`;
}

/** The section below has all of it. */
function problemLine({ resource, text }: Problem): string {
  const what = summaryOf(text);
  return resource === "" ? what : `${resource}: ${what}`;
}

/** Deletions have their own line. */
function volumesThatStay({ volumes }: PreviewModel): PreviewModel["volumes"] {
  return volumes.filter(({ isDeleted }) => !isDeleted);
}

const names = (machines: readonly Machine[]): string[] => machines.map(({ name }) => name);

/** `6 to update, 14 unchanged`. */
export function countsText({
  counts: { create, update, delete: removed, same, other },
}: PreviewModel): string {
  const all: [number, string][] = [
    [create, "to create"],
    [update, "to update"],
    [removed, "to delete"],
    [other, "to import or replace"],
    [same, "unchanged"],
  ];
  const parts = all.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return `Resources: ${parts.join(", ") || "none"}`;
}

function line(what: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  return `- **${what} (${items.length})**: ${shortened(items).join(", ")}`;
}

function fact(what: string, text: string): string {
  return text === "" ? "" : `- **${what}**: ${code(text)}`;
}

/** Sentences: each on a line of its own. */
function lines(what: string, items: readonly string[]): string {
  if (items.length < 2) return line(what, items);
  return [`- **${what} (${items.length})**:`, ...shortened(items)].join("\n  - ");
}

function shortened(items: readonly string[]): string[] {
  const shown = items.slice(0, MOST_NAMES).map((item) => code(item, 160));
  const rest = items.length - shown.length;
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])];
}

function unread({ unread: hosts }: PreviewModel): string[] {
  return hosts.map(({ host, resources }) => {
    const list = shortened(resources).join(", ");
    return `- **Not read: ${code(host) || "a host"}**, so the real state is unknown: ${list}`;
  });
}

function driftedResources({ drift: all }: PreviewModel): string[] {
  return [...new Set(all.map(({ resource }) => resource))];
}
