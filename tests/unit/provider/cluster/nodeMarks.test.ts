/** Labels and taints: those of the site, those that leave it, and those of others. */
import type { NodePatch } from "../../../../provider/cluster/kube/client";
import type { KubeNode } from "../../../../provider/cluster/kube/objects";
import { MANAGED, marksOn, marksPatch } from "../../../../provider/cluster/nodeMarks";
import type { Marks } from "../../../../provider/cluster/nodeMarks";
import { node } from "./standIns";

const NONE: Marks = { labels: {}, taints: [] };
const WANTED: Marks = {
  labels: { zone: "a", "example.org/disk": "nvme" },
  taints: ["dedicated=gpu:NoSchedule", "slow:NoExecute"],
};
const THEIRS = {
  labels: { "kubernetes.io/hostname": "kw1" },
  taints: [
    {
      key: "node.kubernetes.io/unreachable",
      value: "",
      effect: "NoExecute",
      timeAdded: "2026-11-26T00:00:00.000Z",
    },
  ],
};

/** What the API makes of a patch. */
function patched(from: KubeNode, patch: NodePatch | undefined): KubeNode {
  type Text = Readonly<Record<string, string | null>>;
  const merge = (old: Text, more: Text = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...old, ...more }).flatMap(([key, value]) =>
        value === null ? [] : [[key, value]],
      ),
    );
  return {
    ...from,
    labels: merge(from.labels, patch?.labels),
    annotations: merge(from.annotations, patch?.annotations),
    taints: [...(patch?.taints ?? from.taints)],
  };
}

const apply = (from: KubeNode, wanted: Marks): KubeNode => patched(from, marksPatch(from, wanted));

test("nothing is to do on a node without marks of ours", () => {
  expect(marksPatch(node("kw1", THEIRS), NONE)).toBeUndefined();
  expect(marksOn(node("kw1", THEIRS), NONE)).toEqual(NONE);
});

test("marks come, and what others set stays with its time", () => {
  const from = node("kw1", { ...THEIRS, resourceVersion: "7" });
  expect(marksPatch(from, WANTED)?.resourceVersion).toBe("7");
  const after = apply(from, WANTED);
  expect(after.labels).toEqual({ ...THEIRS.labels, ...WANTED.labels });
  expect(after.taints).toEqual([
    ...THEIRS.taints,
    { key: "dedicated", value: "gpu", effect: "NoSchedule" },
    { key: "slow", value: "", effect: "NoExecute" },
  ]);
  expect(marksOn(after, WANTED)).toEqual(WANTED);
  expect(marksPatch(after, WANTED)).toBeUndefined();
});

test("marks that leave the site are removed, and no others", () => {
  const marked = apply(node("kw1", THEIRS), WANTED);
  // A person's label with a key that the site does not manage.
  const theirs = { ...marked, labels: { ...marked.labels, people: "x" } };
  const one: Marks = { labels: { zone: "b" }, taints: ["slow:NoExecute"] };
  expect(marksOn(theirs, one)).toEqual({
    labels: WANTED.labels,
    taints: ["slow:NoExecute", "dedicated=gpu:NoSchedule"],
  });
  const after = apply(theirs, one);
  expect(after.labels).toEqual({ ...THEIRS.labels, zone: "b", people: "x" });
  expect(marksOn(after, one)).toEqual(one);
  const cleared = apply(after, NONE);
  expect(cleared).toEqual({ ...node("kw1", THEIRS), labels: { ...THEIRS.labels, people: "x" } });
});

test("a changed value is drift, and a label of the same key is taken over", () => {
  const marked = apply(node("kw1", { labels: { zone: "old" } }), WANTED);
  const changed = { ...marked, labels: { ...marked.labels, zone: "b" }, taints: [] };
  expect(marksOn(changed, WANTED)).toEqual({
    labels: { ...WANTED.labels, zone: "b" },
    taints: [],
  });
  expect(apply(changed, WANTED)).toEqual(marked);
});

test("both spellings of a taint without a value are the same", () => {
  const spelled: Marks = { labels: {}, taints: ["slow=:NoExecute"] };
  const marked = apply(node("kw1"), spelled);
  expect(marksOn(marked, spelled)).toEqual(spelled);
  expect(marksPatch(marked, { ...spelled, taints: ["slow:NoExecute"] })).toBeUndefined();
});

test("an annotation that somebody has broken counts as none", () => {
  const broken = node("kw1", { annotations: { [MANAGED]: "{" }, labels: { zone: "a" } });
  expect(marksOn(broken, NONE)).toEqual(NONE);
  expect(marksPatch(broken, NONE)?.annotations).toEqual({ [MANAGED]: null });
});
