/**
 * Labels and taints of a node that the site manages. All others belong to Kubernetes, k0s and
 * people, and stay. An annotation on the node says which ones are ours, so that those that leave
 * the site are removed. Pure.
 */
import { z } from "zod";
import type { NodePatch } from "./kube/client";
import { parseTaint, taintText } from "./kube/objects";
import type { KubeNode, Taint } from "./kube/objects";

export interface Marks {
  labels: Readonly<Record<string, string>>;
  /** `key=value:Effect` or `key:Effect`. */
  taints: readonly string[];
}

export const MANAGED = "pulumi-microvm/managed";

const managed = z.object({ labels: z.array(z.string()), taints: z.array(z.string()) });
type Managed = z.infer<typeof managed>;

/** A taint is one by its key and its effect. */
const idOf = ({ key, effect }: Taint): string => `${key}:${effect}`;

function managedOn({ annotations }: Pick<KubeNode, "annotations">): Managed {
  const none = { labels: [], taints: [] };
  try {
    return managed.safeParse(JSON.parse(annotations[MANAGED] ?? "null")).data ?? none;
  } catch {
    return none;
  }
}

/** The labels and taints on the node that are wanted, or that were. */
export function marksOn(
  node: KubeNode,
  wanted: Marks,
): { labels: Record<string, string>; taints: string[] } {
  const ours = managedOn(node);
  const keys = new Set([...Object.keys(wanted.labels), ...ours.labels]);
  const labels = Object.entries(node.labels).filter(([key]) => keys.has(key));
  const wantedTaints = wanted.taints.map((text) => ({ text, taint: parseTaint(text) }));
  const asWanted = wantedTaints.flatMap(({ text, taint }) => {
    const found = node.taints.find((one) => idOf(one) === idOf(taint));
    if (found === undefined) return [];
    // The spelling of the site is kept: an empty value may be written in two ways.
    return [found.value === taint.value ? text : taintText(found)];
  });
  const more = node.taints.filter(
    (taint) =>
      ours.taints.includes(idOf(taint)) &&
      !wantedTaints.some((one) => idOf(one.taint) === idOf(taint)),
  );
  return { labels: Object.fromEntries(labels), taints: [...asWanted, ...more.map(taintText)] };
}

/** The patch that applies the labels and taints. Undefined if nothing is to do. */
export function marksPatch(node: KubeNode, wanted: Marks): NodePatch | undefined {
  const ours = managedOn(node);
  const labels = changedLabels(node, wanted, ours);
  const taints = changedTaints(node, wanted, ours);
  const annotation = annotationOf(wanted);
  const isRecorded = (node.annotations[MANAGED] ?? null) === annotation;
  if (Object.keys(labels).length === 0 && taints === undefined && isRecorded) return undefined;
  return {
    resourceVersion: node.resourceVersion,
    labels,
    annotations: { [MANAGED]: annotation },
    ...(taints !== undefined && { taints }),
  };
}

function changedLabels(
  node: KubeNode,
  wanted: Marks,
  ours: Managed,
): Record<string, string | null> {
  const gone = ours.labels.filter(
    (key) => wanted.labels[key] === undefined && node.labels[key] !== undefined,
  );
  const set = Object.entries(wanted.labels).filter(([key, value]) => node.labels[key] !== value);
  return Object.fromEntries([...gone.map((key): [string, null] => [key, null]), ...set]);
}

function changedTaints(node: KubeNode, wanted: Marks, ours: Managed): Taint[] | undefined {
  const taints = wanted.taints.map(parseTaint);
  const replaced = new Set([...ours.taints, ...taints.map(idOf)]);
  const next = [...node.taints.filter((taint) => !replaced.has(idOf(taint))), ...taints];
  const text = (list: readonly Taint[]): string => list.map(taintText).sort().join(" ");
  return text(next) === text(node.taints) ? undefined : next;
}

/** Null: nothing is managed. */
function annotationOf({ labels, taints }: Marks): string | null {
  if (Object.keys(labels).length + taints.length === 0) return null;
  const content: Managed = {
    labels: Object.keys(labels).sort(),
    taints: taints.map((text) => idOf(parseTaint(text))).sort(),
  };
  return JSON.stringify(content);
}
