/**
 * The overview at the top of a comment: one line for each thing that a reviewer must not miss, so
 * that deletions, restarts and blockers are always among the first lines. Pure.
 */
import type { Machine, MachineEffect, PreviewModel } from "../preview/model";
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
  const lines = [
    line(
      "Blocked",
      model.problems.map(({ resource, text }) => resource || text),
    ),
    line(
      "Deleted",
      model.deletions.map(({ resource, fate }) =>
        fate === "" ? resource : `${resource}: ${fate}`,
      ),
    ),
    line(
      "Data lost",
      model.volumes.filter(({ losesData }) => losesData).map(({ volume }) => volume),
    ),
    line(
      "Volumes",
      volumesThatStay(model).map(({ volume, text }) => `${volume}: ${text}`),
    ),
    line("Hosts that reboot", names(machinesWith(model, "reboot"))),
    line("VMs that restart", names(machinesWith(model, "restart"))),
    line("VMs that stop", names(machinesWith(model, "stop"))),
    ...unread(model),
    line("Drift", driftedResources(model)),
  ].filter((text) => text !== "");
  const list = lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  return `${counts(model)}\n\n${list}`;
}

/** Deletions have their own line. */
function volumesThatStay({ volumes }: PreviewModel): PreviewModel["volumes"] {
  return volumes.filter(({ isDeleted }) => !isDeleted);
}

const names = (machines: readonly Machine[]): string[] => machines.map(({ name }) => name);

function counts({
  counts: { create, update, delete: removed, same, other },
}: PreviewModel): string {
  const parts = [
    `**${create}** to create`,
    `**${update}** to update`,
    `**${removed}** to delete`,
    ...(other > 0 ? [`**${other}** to import or replace`] : []),
    `${same} unchanged`,
  ];
  return parts.join(", ");
}

function line(what: string, items: readonly string[]): string {
  if (items.length === 0) return "";
  const shown = items.slice(0, MOST_NAMES).map((item) => code(item, 120));
  const rest = items.length - shown.length;
  const more = rest > 0 ? [`and ${rest} more`] : [];
  return `- **${what} (${items.length})**: ${[...shown, ...more].join(", ")}`;
}

function unread({ unread: hosts }: PreviewModel): string[] {
  return hosts.map(({ host, resources }) => {
    const shown = resources.slice(0, MOST_NAMES).map((name) => code(name, 60));
    const rest = resources.length - shown.length;
    const list = [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
    return `- **Not read: ${code(host) || "a host"}**: the real state is unknown of ${list}`;
  });
}

function driftedResources({ drift: all }: PreviewModel): string[] {
  return [...new Set(all.map(({ resource }) => resource))];
}
