/**
 * Members of a cluster as resources: they join, get their labels and taints, leave, and come back
 * under their old addresses. The cluster stays the same one all the time.
 */
import {
  CONTROLLER_ADDRESS,
  awaitK0s,
  caFingerprint,
  clusterSite,
  etcdMemberObjects,
  expectMembers as expectMembersOf,
  expectNoTokens,
  kubectl,
  loseDisk,
} from "./cluster";
import { PROVIDER_USER, audited } from "./audit";
import { writeRecording } from "../previewRecordings";
import { SELECTION, sampled } from "../selection";
import {
  expectNoChanges,
  failingUp,
  journalEnd,
  mutations,
  on,
  preview,
  pulumi,
  releaseHosts,
  SiteCopy,
  STACK,
  up,
} from "./lab";
import { recorded } from "./previewRecording";

const site = new SiteCopy();
const SHAPE = { controllers: 3, workers: 2 };

let fingerprint: string;

/** The site without some of the VMs, and with changes. */
async function siteOf(without: string[] = [], changes: Record<string, unknown> = {}) {
  await site.set({ ...clusterSite(SHAPE, { without }), ...changes });
}

async function destroy(): Promise<string> {
  const { code, text } = await pulumi("destroy", "--yes", "--skip-preview", STACK);
  if (code !== 0) throw new Error(text);
  return text;
}

const expectMembers = (by: string, controllers: string[], workers: string[]): Promise<void> =>
  expectMembersOf(by, { controllers, workers, ca: fingerprint });

const HOSTS = ["hv1", "hv2"];
const CONTROLLERS = ["c1", "c2", "c3"];
const WORKERS = ["w1", "w2"];

beforeAll(async () => {
  await awaitK0s();
  await releaseHosts();
  await site.use();
}, 900_000);
afterAll(async () => {
  await destroy();
  await site.restore();
});

test("three controllers and two workers from nothing by one up; a second up is empty", async () => {
  await siteOf();
  const text = await up();
  fingerprint = await caFingerprint("c1");
  await expectMembers("c1", CONTROLLERS, WORKERS);
  // The joins of workers overlap.
  const events = [...text.matchAll(/microvm:index:K0sNode (w\d) (creating|created)/g)];
  expect(events.map(([, , event]) => event).slice(0, 2)).toEqual(["creating", "creating"]);
  // No token of a join is left: not in the cluster, and only dummies in the guests.
  await expectNoTokens("c1");
  for (const member of ["c2", "w1"]) {
    expect(await on(member, "base64 -d /etc/k0s/k0stoken | gzip -dc")).toContain("000000.0000");
  }
  await expectNoChanges();
});

const recording = process.env["RECORD_PREVIEWS"] === "1" ? test : test.skip;

recording("a preview of members that leave and change, for tests/unit/cli", async () => {
  const api = { endpoint: CONTROLLER_ADDRESS(1), sans: ["k8s.example.org"] };
  await siteOf(["c3", "w2"], { "cluster.api": api });
  writeRecording("cluster", await recorded());
  await siteOf();
});

/** What a founded cluster goes through. Each begins and ends with the whole site. */
const scenarios: [string, () => Promise<void>][] = [];
const scenario = (title: string, run: () => Promise<void>): void => {
  scenarios.push([title, run]);
};

scenario("labels and taints come and go by the site; those of people stay", async () => {
  await kubectl("c1", "label node w1 people=theirs");
  await kubectl("c1", "taint node w1 people=theirs:PreferNoSchedule");
  const labels = { "example.org/disk": "nvme", zone: "a" };
  await siteOf([], { "vms.w1.labels": labels, "vms.w1.taints": ["dedicated=gpu:NoSchedule"] });
  expect(await preview()).toEqual({
    "K0sNode w1": { op: "update", diff: ["labels.zone", 'labels["example.org/disk"]', "taints"] },
  });
  await up();
  const shown = () =>
    kubectl(
      "c1",
      "get node w1 -o jsonpath='{.metadata.labels.zone} {.metadata.labels.people} " +
        "{.spec.taints[*].key}'",
    );
  expect((await shown()).split(" ").sort()).toEqual(["a", "dedicated", "people", "theirs"]);
  await kubectl("c1", "label node w1 zone=b --overwrite");
  expect(await preview()).toEqual({ "K0sNode w1": { op: "update", diff: ["labels.zone"] } });
  await up();
  expect(await shown()).toContain("a ");
  await siteOf();
  await up();
  expect((await shown()).trim().split(" ").sort()).toEqual(["people", "theirs"]);
  await expectNoChanges();
});

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      nodeSelector: { kubernetes.io/hostname: w2 }
      containers: [{ name: web, image: web }]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web }
spec: { minAvailable: 1, selector: { matchLabels: { app: web } } }
`;

scenario("a budget blocks a drain: it is named, and the node is as before", async () => {
  await on("c1", `k0s kubectl apply -f - <<'END'\n${DEPLOYMENT}\nEND`);
  await kubectl("c1", "wait --for=condition=Available deployment/web --timeout=60s");
  await siteOf(["w2"], { "cluster.drain": { timeout: "5s" } });
  const text = await failingUp();
  expect(text).toMatch(
    /w2: the drain did not end in 5 s: default\/web-\S+: PodDisruptionBudget default\/web needs 1/,
  );
  await expectMembers("c1", CONTROLLERS, WORKERS);
  expect(await kubectl("c1", "get node w2 -o jsonpath='{.spec.unschedulable}'")).toBe("");
  await kubectl("c1", "delete pdb/web deployment/web");
});

scenario("a worker leaves, and joins again under its old address", async () => {
  await siteOf(["w2"]);
  await up();
  await expectMembers("c1", CONTROLLERS, ["w1"]);
  await expectNoChanges();
  await siteOf();
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
});

async function leavesAndJoins(name: string, by: string): Promise<void> {
  const before = await etcdMemberObjects(by);
  await siteOf([name]);
  await up();
  const others = CONTROLLERS.filter((one) => one !== name);
  await expectMembers(by, others, WORKERS);
  await siteOf();
  await up();
  await expectMembers(by, CONTROLLERS, WORKERS);
  const after = await etcdMemberObjects(by);
  expect(after[name]?.id).not.toBe(before[name]?.id);
  for (const other of others) expect(after[other]).toEqual(before[other]);
  await expectNoChanges();
}

scenario("a controller leaves, and joins again under its old address", () =>
  leavesAndJoins("c2", "c1"),
);
scenario("the founder leaves, and joins again under its old address", () =>
  leavesAndJoins("c1", "c3"),
);

scenario("a controller whose disk is lost is replaced by one up of the same site", async () => {
  await loseDisk("hv1", "c3");
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
  await expectNoChanges();
});

scenario("a dead controller and a dead worker are removed when they leave the site", async () => {
  await on("hv2", "systemctl stop microvm@c2 microvm@w2");
  await siteOf(["c2", "w2"]);
  await up();
  await expectMembers("c1", ["c1", "c3"], ["w1"]);
  await siteOf();
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
});

scenario("a node that somebody has deleted is registered again", async () => {
  await kubectl("c1", "delete node w1");
  expect(await preview()).toEqual({ "K0sNode w1": { op: "create", diff: [] } });
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
});

scenario("two of three controllers cannot leave in one change", async () => {
  await siteOf(["c2", "c3"]);
  const { code, text } = await pulumi("preview", STACK);
  expect(code).not.toBe(0);
  expect(text).toMatch(
    /c2 and c3 would leave in one change: 2 of 3 controllers, whose quorum is 2/,
  );
  await siteOf();
});

scenario("a destroy drains and deletes nothing in the cluster, which comes back", async () => {
  const kept = [...CONTROLLERS, ...WORKERS].map(
    (name) => [`vms.${name}.volumes.var.onDelete`, "retain"] as const,
  );
  await siteOf([], Object.fromEntries(kept));
  await up();
  // Proves that the log has what is counted.
  const cordoned = new Date();
  await kubectl("c1", "cordon w1");
  await kubectl("c1", "uncordon w1");
  const began = new Date();
  await destroy();
  const ended = new Date();
  const ends = await Promise.all(HOSTS.map(journalEnd));
  expect(await destroy()).not.toMatch(/\d deleted/);
  const again = await Promise.all(HOSTS.map((host, at) => mutations(host, ends[at] ?? "")));
  expect(again.flat()).toEqual([]);
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
  const before = await audited(CONTROLLERS, cordoned, began);
  expect(before.filter((line) => line.endsWith(" patch nodes w1"))).toHaveLength(2);
  const calls = await audited(CONTROLLERS, began, ended);
  expect(calls.filter((line) => line.startsWith(`${PROVIDER_USER} `))).toEqual([]);
  expect(calls.filter((line) => / delete | pods\/eviction /.test(line))).toEqual([]);
  const unschedulable = "get nodes -o jsonpath='{.items[*].spec.unschedulable}'";
  expect(await kubectl("c1", unschedulable)).toBe("");
  await expectNoChanges();
  await siteOf();
  await up();
});

scenario("a worker whose VM restarts without its role leaves as a dead member", async () => {
  await siteOf([], { "vms.w2.role": undefined, "vms.w2.memory": "272MiB" });
  await up();
  await expectMembers("c1", CONTROLLERS, ["w1"]);
  await expectNoChanges();
  await siteOf();
  await up();
  await expectMembers("c1", CONTROLLERS, WORKERS);
});

test.each(sampled("members", scenarios, 3))(`%s (${SELECTION})`, async (_, run) => {
  await run();
});
