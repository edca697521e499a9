/** A cluster comes into being once, comes back by itself, and ends: K0sCluster in the lab. */
import { buildPreview } from "../../cli/preview/build";
import {
  awaitK0s,
  awaitK0sStatus,
  caFingerprint,
  clusterSite,
  etcdMembers,
  foundings,
  kubectl,
  wipeData,
} from "./cluster";
import {
  STACK,
  STACK_NAME,
  SiteCopy,
  expectNoChanges,
  failingUp,
  lab,
  on,
  pulumi,
  releaseHosts,
  state,
  until,
  up,
} from "./lab";
import { recorded } from "./previewRecording";

const site = new SiteCopy();
const ONE = clusterSite({ controllers: 1, workers: 0 });

beforeAll(async () => {
  await awaitK0s();
  await releaseHosts();
  await site.use();
  await site.set(ONE);
}, 900_000);
afterAll(async () => {
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

async function output(name: string): Promise<string> {
  const { stdout, text, code } = await pulumi("stack", "output", name, "--show-secrets", STACK);
  if (code !== 0) throw new Error(text);
  return stdout.trimEnd();
}

async function recordedCa(): Promise<unknown> {
  return (await state()).get("K0sCluster cluster")?.outputs?.["caFingerprint"];
}

test("a preview of a new cluster states its steps, to people and to programs", async () => {
  const recording = await recorded();
  expect(recording).toMatchObject({ exitCode: 0 });
  const step = "c1 founds the cluster: healthy controllers 0 -> 1 of 1, quorum 0 -> 1";
  expect(recording.events).toContain(`1. ${step}`);
  expect(buildPreview(recording, "key").model.cluster).toMatchObject({
    name: "lab",
    steps: [{ action: "found", names: ["c1"], text: step }],
  });
});

test("founds from nothing, and a second up is empty", async () => {
  await up();
  expect(await recordedCa()).toBe(await caFingerprint("c1"));
  expect(await etcdMembers("c1")).toEqual({ c1: "https://198.18.0.51:2380" });
  expect(await foundings("c1")).toBe(1);
  expect(await on("hv1", "cat /var/lib/pulumi-microvm/clusters/lab.json")).toContain(
    '"founder":"c1"',
  );
  await expectNoChanges();
  const { code, text } = await pulumi("preview", "--refresh", "--expect-no-changes", STACK);
  expect({ code, text }).toMatchObject({ code: 0 });
});

test("the kubeconfig is a secret that reaches the API", async () => {
  const kubeconfig = await output("kubeconfig");
  const put = await lab(["ssh", "c1", "umask 077; cat >/root/kubeconfig"], kubeconfig);
  expect(put.code).toBe(0);
  expect(await on("c1", "k0s kubectl --kubeconfig /root/kubeconfig auth can-i '*' '*'")).toBe(
    "yes",
  );
  const { stdout } = await pulumi("stack", "export", STACK);
  const key = /client-key-data: (\S+)/.exec(kubeconfig)?.[1] ?? "";
  expect(key).toMatch(/^[A-Za-z0-9+/]+=*$/);
  expect(stdout).not.toContain(key);
  const logged = await on("c1", "journalctl -q -o cat; ps -eo args");
  expect(logged).not.toContain(key);
});

test("the founder comes back after a restart, and nothing is to do", async () => {
  const [before, kubeconfig] = [await caFingerprint("c1"), await output("kubeconfig")];
  await on("hv1", "systemctl restart microvm@c1");
  await awaitK0sStatus("c1");
  expect(await caFingerprint("c1")).toBe(before);
  await up("--refresh");
  expect(await output("kubeconfig")).toBe(kubeconfig);
});

test("a destroy stops k0s, and the kept disk brings the cluster back", async () => {
  const before = await caFingerprint("c1");
  await site.set({ ...ONE, "vms.c1.volumes.var.onDelete": "retain" });
  await up();
  const { code, text } = await pulumi("destroy", "--yes", "--skip-preview", STACK);
  expect({ code, text }).toMatchObject({ code: 0 });
  await up();
  expect(await caFingerprint("c1")).toBe(before);
  expect(await recordedCa()).toBe(before);
  expect(await on("c1", "journalctl -q -b -u k0s -o cat")).toContain(
    "k0s does not start: it was stopped: the cluster was destroyed",
  );
  expect(await on("c1", "timeout -s KILL 5 k0s status")).toContain("Role: controller");
  await expectNoChanges();
});

test("a wiped disk founds nothing, neither by its unit nor by an up", async () => {
  const before = await recordedCa();
  await wipeData("c1");
  await on("c1", "systemctl restart k0s");
  await until("the unit to be skipped", 20, async () =>
    (await on("c1", "systemctl is-active k0s || true")) === "inactive" ? true : undefined,
  );
  expect(await on("c1", "ls -A /var/lib/k0s")).toBe("");
  await site.set({ ...ONE, "cluster.maxUnavailable": 2 });
  expect(await failingUp()).toContain(
    `no controller has data of the cluster with the CA ${String(before)}`,
  );
  expect(await on("c1", "ls -A /var/lib/k0s")).toBe("");
});

test("a cluster that another stack founded is refused, until its CA is stated", async () => {
  // The cluster is given up, and somebody else founds one on the same machine.
  const all = ["state", "delete", "--yes", "--target-dependents"];
  const { code, text } = await pulumi(...all, await clusterUrn(), STACK);
  expect({ code, text }).toMatchObject({ code: 0 });
  await wipeData("c1");
  await on("hv1", "rm -f /var/lib/pulumi-microvm/clusters/lab.json");
  await on("c1", "mkdir -p /run/pulumi-microvm; echo lab >/run/pulumi-microvm/k0s-found");
  await on("c1", "systemctl start k0s");
  await awaitK0sStatus("c1");
  const foreign = await until("its CA", 60, () => caFingerprint("c1").catch(() => undefined));
  await site.set(ONE);
  expect(await failingUp()).toContain(`set cluster.caFingerprint: ${foreign}`);
  const other = foreign.replace(/^../, (byte) => (byte === "00" ? "FF" : "00"));
  await site.set({ ...ONE, "cluster.caFingerprint": other });
  const refusal = `c1 has data of a cluster with the CA ${foreign}, not ${other}`;
  expect(await failingUp()).toContain(refusal);
  await site.set({ ...ONE, "cluster.caFingerprint": foreign });
  await up();
  expect(await recordedCa()).toBe(foreign);
  const owner = "get configmap pulumi-microvm -n kube-system -o jsonpath={.data.stack}";
  expect(await kubectl("c1", owner)).toBe(STACK_NAME);
  expect(await foundings("c1")).toBeGreaterThan(0);
  await expectNoChanges();
});

async function clusterUrn(): Promise<string> {
  return (await state()).get("K0sCluster cluster")?.urn ?? "";
}
