/** The plan of the cluster in a preview: in the model, the comment and on a terminal. */
import type { ClusterPlan, ClusterStep } from "../../../contract/notices";
import { comment } from "../../../cli/report/comment";
import { textSummary } from "../../../cli/report/text";
import { processTerminal } from "../../../cli/terminal";
import { END, build, step, urnOf } from "./eventLog";

const RUN = {
  stack: "site/prod",
  commit: "",
  jobUrl: "",
  command: "pulumi-microvm preview",
  hash: "",
  ignoresSecrets: false,
};
const FIRST_LINES = 25;
const terminal = { ...processTerminal(), paint: (_: string, text: string): string => text };

const NODES = Array.from({ length: 20 }, (_, index) =>
  step("K0sNode", `kw${index}`, { op: "delete", old: {}, new: null }),
);

function modelOf(plan: Partial<ClusterPlan> | undefined, events: object[] = []) {
  const cluster = { name: "prod", steps: [], interruption: "", unread: "", remark: "", ...plan };
  const urn = urnOf("K0sCluster", "cluster");
  const notices = plan === undefined ? "" : JSON.stringify({ kind: "cluster", urn, ...cluster });
  return build([...events, END], { notices }).model;
}

const leaves: ClusterStep = { action: "leave", names: ["kw1"], text: "kw1 leaves", blockers: [] };
const blocked: ClusterStep = {
  action: "join",
  names: ["kc3"],
  text: "kc3 joins",
  blockers: ["etcd has no quorum; start the controllers that are down"],
};

test("without a cluster that changes, nothing is said of one", () => {
  const model = modelOf(undefined);
  expect(model).not.toHaveProperty("cluster");
  expect(comment(model, RUN)).not.toMatch(/cluster/i);
});

test("what blocks, leaves or interrupts is within the first lines, beside many deletions", () => {
  const interruption = "k0s restarts on kc1, without a quorum meanwhile";
  const unread = "The API does not answer: the plan assumes the recorded workers.";
  const model = modelOf({ steps: [leaves, blocked], interruption, unread }, NODES);
  const text = comment(model, RUN);
  const head = text.split("\n").slice(0, FIRST_LINES).join("\n");
  expect(head).toMatch(/^## .*a blocked step of the cluster, an interruption of the API, 20 del/);
  expect(head).toContain("blocked**: `kc3: etcd has no quorum; start the controllers");
  expect(head).toContain(`can be unavailable**: \`${interruption}\``);
  expect(head).toContain(`was not read**: \`${unread}\``);
  expect(head).toContain("- **Members that leave the cluster (1)**: `kw1`");
  expect(head).toContain("- **Deleted (20)**");
  expect(text).toContain("### Cluster `prod`");
  expect(text).toContain("2. **blocked**: `kc3 joins`\n   - `etcd has no quorum; start");
});

test("a change is not called blocked: nothing holds it up yet", () => {
  const change: ClusterStep = { ...blocked, action: "change", text: "kc3 changes" };
  const text = comment(modelOf({ steps: [change] }), RUN);
  expect(text.split("\n")[0]).not.toContain("blocked");
});

test("the steps are in the model and on a terminal", () => {
  const model = modelOf({ steps: [leaves, blocked], remark: "A remark." });
  expect(model.cluster?.steps.map(({ text }) => text)).toEqual(["kw1 leaves", "kc3 joins"]);
  expect(textSummary(model, terminal)).toContain(
    "cluster prod: kw1 leaves\n" +
      "cluster prod: kc3 joins blocked: etcd has no quorum; start the controllers that are down\n" +
      "cluster prod: A remark.",
  );
});

test("a cluster that does not answer is one problem, not one for each hypervisor", () => {
  const failure = (name: string): object => ({
    kind: "failure",
    urn: urnOf("K0sNode", name),
    host: "cluster prod",
    cause: "unreachable",
    what: "prod: no controller of the cluster answers",
  });
  const notices = [failure("kw1"), failure("kw2")].map((one) => JSON.stringify(one)).join("\n");
  const { unread } = build([END], { notices }).model;
  expect(unread).toMatchObject([
    { host: "cluster prod", resources: ["K0sNode kw1", "K0sNode kw2"] },
  ]);
});
