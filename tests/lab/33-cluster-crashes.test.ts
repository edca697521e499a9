/**
 * The provider or the engine is killed, connections are cut, or the hypervisor reboots, at each
 * mutation in the guest of a member that founds, joins or leaves. The next `up` ends right. Only in
 * the soak run.
 */
import {
  awaitK0s,
  caFingerprint,
  clusterSite,
  etcdMemberObjects,
  etcdMembers,
  nodes,
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
import { SOAK } from "../selection";

const site = new SiteCopy();
const SHAPE = { controllers: 3, workers: 1 };
const CONTROLLERS = ["c1", "c2", "c3"];

/** What happens to a run that waits at the gate. `ends`: it ends before the gate opens. */
interface Cut {
  title: string;
  act: (running: Started) => Promise<unknown>;
  ends: boolean;
}

const killed = (title: string, text: string): Cut => ({
  title,
  act: (running) => gone(signal(running, text, "SIGKILL")),
  ends: true,
});

/** `host`: the hypervisor of the member. */
const cutsOn = (host: string): Cut[] => [
  killed("the provider is killed", PROVIDER),
  killed("the engine is killed", ENGINE),
  { title: "the links are cut", act: () => cutLinks(host), ends: false },
  { title: "the hypervisor is rebooted", act: () => reboot(host), ends: true },
];

async function reboot(host: string): Promise<void> {
  const { code, text } = await lab(["reboot", host]);
  if (code !== 0) throw new Error(text);
  await until(`${host} answers`, 120, () => on(host, "true").then(() => true));
}

/** What a member goes through. The gate is in the guest `guest`, which runs before and after. */
interface Passage {
  title: string;
  guest: string;
  host: string;
  from: Record<string, unknown>;
  to: Record<string, unknown>;
  controllers: string[];
  workers: string[];
  /** The number of mutations, where the guest is gone before it can be asked: k0s is stopped. */
  steps?: number;
}

/** The cluster, with VMs that are no members, or without VMs. */
function siteOf(change: { plain?: string[]; without?: string[] }): Record<string, unknown> {
  const { plain = [], without = [] } = change;
  return {
    ...clusterSite(SHAPE),
    ...Object.fromEntries(plain.map((name) => [`vms.${name}.role`, undefined])),
    ...Object.fromEntries(without.map((name) => [`vms.${name}`, undefined])),
  };
}

const ALONE = clusterSite({ controllers: 1, workers: 0 });
const JOINED = { to: siteOf({}), controllers: CONTROLLERS, workers: ["w1"] };

const PASSAGES: Passage[] = [
  {
    title: "the cluster is founded",
    guest: "c1",
    host: "hv1",
    from: { ...ALONE, cluster: undefined, "vms.c1.role": undefined },
    to: ALONE,
    controllers: ["c1"],
    workers: [],
  },
  {
    title: "a controller joins",
    guest: "c2",
    host: "hv2",
    from: siteOf({ plain: ["c2"] }),
    ...JOINED,
  },
  { title: "a worker joins", guest: "w1", host: "hv1", from: siteOf({ plain: ["w1"] }), ...JOINED },
  {
    title: "a controller leaves",
    guest: "c2",
    host: "hv2",
    from: siteOf({}),
    to: siteOf({ without: ["c2"] }),
    controllers: ["c1", "c3"],
    workers: ["w1"],
    steps: 1,
  },
  {
    title: "a worker leaves",
    guest: "w1",
    host: "hv1",
    from: siteOf({}),
    to: siteOf({ without: ["w1"] }),
    controllers: CONTROLLERS,
    workers: [],
    steps: 1,
  },
];

/** Converges to the start of a passage, with a gate in its guest. Returns the cluster's CA. */
async function begin({ title, guest, from }: Passage, gate: Gate): Promise<string | undefined> {
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  // A second founding requires that nothing is left of the first.
  const isFounding = title === PASSAGES[0]?.title;
  if (isFounding) await releaseHosts();
  await site.set(from);
  await up();
  await gate.install();
  return isFounding ? undefined : caFingerprint(guest === "c1" ? "c3" : "c1");
}

/** Stops a run at one mutation, and converges what it left. */
async function cutAt(step: number, passage: Passage, gate: Gate, cut: Cut): Promise<void> {
  const before = await begin(passage, gate);
  await gate.stopAt(step);
  await site.set(passage.to);
  const running = startUp();
  // The step is part of the value, so that a failed test reports it.
  expect({ step, reached: await gate.reached(running) }).toEqual({ step, reached: true });
  await cut.act(running);
  if (cut.ends) expect((await running.ended).code).not.toBe(0);
  // A reboot has removed the gate with its guest.
  await gate.open().catch(() => undefined);
  const { code, text } = await running.ended;
  if (!cut.ends && code !== 0) throw new Error(`the run did not continue: ${text}`);
  await lab(["exec", "pulumi", "cancel", "--yes", STACK]);
  await up();
  await expectRight(passage, before);
}

/** etcd, the API's objects and the site agree, and the cluster is the one from before. */
async function expectRight({ controllers, workers }: Passage, before?: string): Promise<void> {
  const ca = (await state()).get("K0sCluster cluster")?.outputs?.["caFingerprint"];
  if (before !== undefined) expect(ca).toBe(before);
  for (const controller of controllers) expect(await caFingerprint(controller)).toBe(ca);
  expect(Object.keys(await etcdMembers("c1")).sort()).toEqual(controllers);
  const objects = Object.entries(await etcdMemberObjects("c1"));
  expect(objects.map(([name, { joined }]) => [name, joined]).sort()).toEqual(
    controllers.map((name) => [name, "True"]),
  );
  expect(await nodes("c1")).toEqual(Object.fromEntries(workers.map((name) => [name, "True"])));
  for (const role of ["worker", "controller"]) {
    expect(await on("c1", `k0s token list --role ${role}`)).toBe("No k0s join tokens found");
  }
  await expectNoChanges();
}

/** The number of mutations of an undisturbed passage, and that it ends right. */
async function stepsOf(passage: Passage, gate: Gate): Promise<number> {
  const before = await begin(passage, gate);
  await gate.stopAt(NEVER);
  await site.set(passage.to);
  const running = startUp();
  const { code, text } = await running.ended;
  if (code !== 0) throw new Error(text);
  await expectRight(passage, before);
  return passage.steps ?? gate.passed();
}

(SOAK ? describe : describe.skip)("each mutation in the guest of a member", () => {
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

  describe.each(PASSAGES)("while $title", (passage) => {
    const gate = new Gate(passage.guest);
    let steps = 0;

    test("an undisturbed run has steps, and ends right", async () => {
      steps = await stepsOf(passage, gate);
      expect(steps).toBeGreaterThan(0);
    }, 600_000);

    test.each(cutsOn(passage.host))(
      "$title",
      async (cut) => {
        expect(steps).toBeGreaterThan(0);
        for (let step = 1; step <= steps; step++) await cutAt(step, passage, gate, cut);
      },
      3_600_000,
    );
  });
});
