/**
 * The provider or the engine is killed, connections are cut, or the hypervisor reboots, before each
 * change that a member's founding, joining or leaving makes on its host, in its guest or through
 * the API. The next `up` ends right. `npm test` runs a sample of the rows with one controller.
 */
import { ApiGate } from "./apiGate";
import {
  awaitK0s,
  caFingerprint,
  clusterSite,
  expectMembers,
  expectNoTokens,
  foundings,
  kubectl,
} from "./cluster";
import { ENGINE, Gate, NEVER, PROVIDER, cutLinks, gone, signal, startUp } from "./kill";
import {
  STACK,
  SiteCopy,
  expectNoChanges,
  lab,
  on,
  pulumi,
  releaseHosts,
  state,
  until,
  up,
} from "./lab";
import type { Started } from "./lab";
import { SELECTION, SOAK, sampled } from "../selection";

const site = new SiteCopy();

/** What happens to a run that waits at the gate. */
interface Cut {
  title: string;
  act: (running: Started, host: string) => Promise<unknown>;
  /** What happens to the run. After a reboot it may go on with another controller. */
  then: "ends" | "goes on" | "either";
}

const killed = (title: string, text: string): Cut => ({
  title,
  act: (running) => gone(signal(running, text, "SIGKILL")),
  then: "ends",
});

const REBOOT = "the hypervisor is rebooted";
const CUTS: Cut[] = [
  killed("the provider is killed", PROVIDER),
  killed("the engine is killed", ENGINE),
  { title: "the links are cut", act: (_, host) => cutLinks(host), then: "goes on" },
  { title: REBOOT, act: (_, host) => reboot(host), then: "either" },
];

async function reboot(host: string): Promise<void> {
  const { code, text } = await lab(["reboot", host]);
  if (code !== 0) throw new Error(text);
  await until(`${host} answers`, 120, () => on(host, "true").then(() => true));
}

/** A change: a line of the journal of a machine, or a request to the API. */
interface Step {
  at: string;
  text: string;
}
const API = "the API";

/** What a member goes through. Its VM is on `host`. Each passage has the controller c1. */
interface Passage {
  title: string;
  host: string;
  from: Record<string, unknown>;
  to: Record<string, unknown>;
  controllers: string[];
  workers: string[];
  /** In their order. */
  steps: Step[];
}

const FOUNDING = "the cluster is founded";
const ONE = { controllers: 1, workers: 1 };
const THREE = { controllers: 3, workers: 1 };
const CONTROLLERS = ["c1", "c2", "c3"];

const joining = (guest: string): Step[] => [
  { at: guest, text: "switching from" },
  { at: guest, text: "joining the cluster" },
  { at: guest, text: "recording the cluster" },
  { at: guest, text: "replacing the join token" },
  { at: "c1", text: "invalidating the join token" },
];
const DRAINING = [
  { at: API, text: "UPDATE nodes w1" },
  { at: API, text: "CREATE pods/eviction web" },
];
const STOPPING_W1 = [
  { at: "w1", text: "stopping k0s" },
  { at: API, text: "DELETE nodes w1" },
];
const LEAVING_C2 = [
  { at: API, text: "UPDATE etcdmembers" },
  { at: "c2", text: "stopping k0s" },
  { at: API, text: "DELETE etcdmembers" },
];
const switched = (guest: string): Step => ({ at: guest, text: "switching from" });

/** Those of one controller are fast. */
const FAST: Passage[] = [
  {
    title: "a worker joins",
    host: "hv1",
    from: clusterSite(ONE, { plain: ["w1"] }),
    to: clusterSite(ONE),
    controllers: ["c1"],
    workers: ["w1"],
    steps: joining("w1"),
  },
  {
    title: "a worker leaves with its VM",
    host: "hv1",
    from: clusterSite(ONE),
    to: clusterSite(ONE, { without: ["w1"] }),
    controllers: ["c1"],
    workers: [],
    steps: [...DRAINING, ...STOPPING_W1],
  },
  {
    title: "a worker loses its role",
    host: "hv1",
    from: clusterSite(ONE),
    to: clusterSite(ONE, { plain: ["w1"] }),
    controllers: ["c1"],
    workers: [],
    steps: [switched("w1"), ...DRAINING, ...STOPPING_W1],
  },
  {
    title: FOUNDING,
    host: "hv1",
    from: { ...clusterSite(ONE, { plain: ["c1"], without: ["w1"] }), cluster: undefined },
    to: clusterSite(ONE, { without: ["w1"] }),
    controllers: ["c1"],
    workers: [],
    steps: [
      switched("c1"),
      { at: "hv1", text: "recording the founder" },
      { at: "c1", text: "founding the cluster" },
      { at: "c1", text: "recording the owner" },
      { at: "c1", text: "recording the cluster" },
      { at: "c1", text: "making the identity" },
    ],
  },
];

const OF_CONTROLLERS: Passage[] = [
  {
    title: "a controller joins",
    host: "hv2",
    from: clusterSite(THREE, { plain: ["c2"] }),
    to: clusterSite(THREE),
    controllers: CONTROLLERS,
    workers: ["w1"],
    steps: joining("c2"),
  },
  {
    title: "a controller leaves with its VM",
    host: "hv2",
    from: clusterSite(THREE),
    to: clusterSite(THREE, { without: ["c2"] }),
    controllers: ["c1", "c3"],
    workers: ["w1"],
    steps: LEAVING_C2,
  },
  {
    title: "a controller loses its role",
    host: "hv2",
    from: clusterSite(THREE),
    to: clusterSite(THREE, { plain: ["c2"] }),
    controllers: ["c1", "c3"],
    workers: ["w1"],
    steps: [switched("c2"), ...LEAVING_C2],
  },
];

/** The requests wait on the hypervisor that does not reboot. */
function gateOf({ host }: Passage, { at }: Step): Gate {
  return at === API ? new ApiGate(host === "hv1" ? "hv2" : "hv1", "c1") : new Gate(at);
}

const WEB = JSON.stringify({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web" },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "web", image: "web" }] },
    },
  },
});

/** Converges to the start of a passage. Returns the CA of its cluster, if there is one. */
async function begin({ title, from, steps }: Passage): Promise<string | undefined> {
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  // A second founding requires that nothing is left of the first.
  if (title === FOUNDING) await releaseHosts();
  await site.set(from);
  await up();
  if (title === FOUNDING) {
    // The journal counts foundings also after a reboot.
    await on("c1", "mkdir -p /var/log/journal; journalctl --flush");
    return undefined;
  }
  if (steps.some(({ text }) => text.includes("eviction"))) {
    await on("c1", `k0s kubectl apply -f - <<'END'\n${WEB}\nEND`);
    await kubectl("c1", "wait --for=condition=Available deployment/web --timeout=60s");
  }
  return caFingerprint("c1");
}

/** Stops a run before one change, and converges what it left. */
async function cutAt(passage: Passage, step: Step, cut: Cut): Promise<void> {
  const before = await begin(passage);
  const gate = gateOf(passage, step);
  await gate.install();
  await gate.stopAt(1, step.text);
  await site.set(passage.to);
  const running = startUp();
  const reached = await gate.reached(running);
  if (!reached) throw new Error(`the run did not reach its step:\n${(await running.ended).text}`);
  await cut.act(running, passage.host);
  if (cut.then === "ends") expect((await running.ended).code).not.toBe(0);
  // A reboot removes the gates of the host and its guests.
  if (cut.title !== REBOOT || gate instanceof ApiGate) await gate.open();
  const { code, text } = await running.ended;
  if (cut.then === "goes on" && code !== 0) throw new Error(`the run did not go on: ${text}`);
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  await up();
  if (gate instanceof ApiGate) await gate.remove();
  await expectRight(passage, before);
}

/** etcd, the API's objects and the site agree, and the cluster is the one from before. */
async function expectRight(passage: Passage, before: string | undefined): Promise<void> {
  const { controllers, workers, title } = passage;
  const ca = String((await state()).get("K0sCluster cluster")?.outputs?.["caFingerprint"]);
  if (before !== undefined) expect(ca).toBe(before);
  for (const by of controllers) await expectMembers(by, { controllers, workers, ca });
  const counts = await Promise.all(controllers.map(foundings));
  const total = counts.reduce((sum, count) => sum + count, 0);
  // The journal of a founder that has rebooted since is lost, except in the passage itself.
  if (title === FOUNDING) expect(total).toBe(1);
  else expect(total).toBeLessThanOrEqual(1);
  await expectNoTokens("c1");
  await expectNoChanges();
}

beforeAll(async () => {
  await awaitK0s();
  await releaseHosts();
  await site.use();
}, 900_000);
afterAll(async () => {
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

const rowsOf = (passages: Passage[]) =>
  passages.flatMap((passage) =>
    passage.steps.flatMap((step) =>
      CUTS.map((cut) => ({ passage, step, cut, title: titleOf(passage, step, cut) })),
    ),
  );
const titleOf = ({ title }: Passage, { at, text }: Step, cut: Cut): string =>
  `${title}: ${cut.title} at "${text}" (${at})`;

test.each(sampled("cluster crashes", rowsOf(FAST), 2))(
  `$title (${SELECTION})`,
  ({ passage, step, cut }) => cutAt(passage, step, cut),
  600_000,
);

(SOAK ? describe : describe.skip)("with several controllers", () => {
  test.each(rowsOf(OF_CONTROLLERS))(
    "$title",
    ({ passage, step, cut }) => cutAt(passage, step, cut),
    600_000,
  );
});

/** The machines whose every change in an undisturbed run is one of the steps. */
function countedAt({ to, steps }: Passage): string[] {
  const isKept = (at: string): boolean => !Object.keys(to).some((key) => key === `vms.${at}`);
  return [...new Set(steps.map(({ at }) => at))].filter((at) => at === API || isKept(at));
}

/** So that a step which is added to the product is added to its table. */
(SOAK ? test : test.skip).each([...FAST, ...OF_CONTROLLERS])(
  "the table has every step of an undisturbed run: $title",
  async (passage) => {
    const before = await begin(passage);
    const counted = countedAt(passage).filter((at) => at !== "hv1");
    const gates = counted.map((at): [string, Gate] => [at, gateOf(passage, { at, text: "" })]);
    for (const [, gate] of gates) {
      await gate.install();
      await gate.stopAt(NEVER);
    }
    await site.set(passage.to);
    await up();
    for (const [at, gate] of gates) {
      const steps = passage.steps.filter((step) => step.at === at);
      expect({ at, passed: await gate.passed() }).toEqual({ at, passed: steps.length });
    }
    await expectRight(passage, before);
  },
  600_000,
);
