/**
 * The stand-in's worker, on which the lab relies. A real worker needs containers and images, so it
 * is not checked.
 */
import { z } from "zod";
import { waitFor } from "../../progress";
import { holds, matches, same, type Report } from "../report";
import {
  caOf,
  json,
  kubectl,
  output,
  ready,
  refusal,
  startController,
  token,
  tokenIdOf,
  type Cluster,
} from "./cluster";
import type { Machine } from "./machine";

const node = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()) }),
  spec: z.object({ taints: z.array(z.object({ key: z.string() })).optional() }),
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
    addresses: z.array(z.object({ type: z.string(), address: z.string() })),
  }),
});

/** Returns why the node is not in this state. */
async function nodeIs(k1: Machine, name: string, expected: string): Promise<string | undefined> {
  const answer = await k1.k0s("kubectl", "get", "node", name, "-o", "json");
  if (answer.code !== 0) return answer.stderr.trim();
  const { conditions } = node.parse(JSON.parse(answer.stdout)).status;
  const state = conditions?.find(({ type }) => type === "Ready")?.status ?? "none";
  return state === expected ? undefined : `Ready is ${state}`;
}

export async function working(report: Report, cluster: Cluster, w1: Machine): Promise<void> {
  const { k1, k2, limits } = cluster;
  const start = (): void =>
    w1.start(
      "worker",
      `--token-file=${w1.directory}/token`,
      "--labels=zone=a",
      "--taints=x=y:NoSchedule",
    );
  await report.step("a worker joins with a token, and its node gets Ready", async () => {
    const text = await token(k1, "worker");
    w1.write("token", text);
    start();
    await waitFor("w1 to be Ready", limits.node, () => {
      if (!w1.isRunning) throw new Error(w1.log.slice(-1500));
      return nodeIs(k1, "w1", "True");
    });
    output(await k1.k0s("token", "invalidate", tokenIdOf(text)));
  });
  await report.check("its labels, taints and address are those of its start", async () => {
    const object = node.parse(await json(k1, "get", "node", "w1"));
    same(object.metadata.labels["zone"], "a");
    holds(object.spec.taints?.some(({ key }) => key === "x") === true, "the taint x");
    const address = object.status.addresses.find(({ type }) => type === "InternalIP");
    same(address?.address, w1.address);
  });
  await report.check("it keeps the CA of its token", () => {
    same(caOf(w1), caOf(k1));
    return Promise.resolve();
  });
  await report.check("status of a worker", async () => {
    const text = output(await w1.k0s("status", "-o", "json"));
    const status = z
      .object({
        Role: z.literal("worker"),
        Workloads: z.literal(true),
        ClusterConfig: z.null(),
        WorkerToAPIConnectionStatus: z.object({ Success: z.literal(true) }),
      })
      .safeParse(JSON.parse(text));
    holds(status.success, `a worker's status: ${text}`);
  });
  await report.check("status blocks while the kubelet's credentials are missing", async () => {
    await w1.run(["mv", "/run/k0s/nllb/kubeconfig.yaml", "/run/k0s/nllb/away"]);
    // k0s does not end at the first SIGTERM.
    const answer = await w1.run(["timeout", "-s", "KILL", "3", w1.binary, "status"]);
    same(answer.code, 137, "exit code of timeout");
    await w1.run(["mv", "/run/k0s/nllb/away", "/run/k0s/nllb/kubeconfig.yaml"]);
  });
  await report.check("a pod on it runs, is evicted, and is gone", async () => {
    await kubectl(k1, "taint", "node", "w1", "x-");
    await waitFor("the default service account", limits.node, async () => {
      const answer = await k1.k0s("kubectl", "get", "serviceaccount", "default");
      return answer.code === 0 ? undefined : answer.stderr;
    });
    await kubectl(k1, "create", "deployment", "app", "--image=app");
    await kubectl(k1, "wait", "--for=condition=Available", "deployment/app", "--timeout=60s");
    await kubectl(k1, "create", "pdb", "app", "--selector=app=app", "--min-available=1");
    await kubectl(
      k1,
      ...["wait", "pdb/app", "--for=jsonpath={.status.currentHealthy}=1", "--timeout=60s"],
    );
    const drain = ["kubectl", "drain", "w1", "--timeout=3s"];
    matches(refusal(await k1.k0s(...drain)), /disruption budget/);
    await kubectl(k1, "delete", "pdb", "app");
    await kubectl(k1, "drain", "w1", "--timeout=60s");
    await kubectl(k1, "uncordon", "w1");
  });
  await report.check("it survives the loss of the controller by which it joined", async () => {
    await k1.stop(limits.stop);
    await w1.stop(limits.stop);
    start();
    await waitFor("w1 to reach an API server", limits.node, async () => {
      if (!w1.isRunning) throw new Error(w1.log.slice(-1500));
      const answer = await w1.run(["timeout", "-s", "KILL", "10", w1.binary, "status"]);
      return answer.stdout.includes("probing successful: true") ? undefined : answer.stderr;
    });
    await kubectl(k2, "annotate", "node", "w1", "seen=yes");
    startController(k1, "--enable-worker", "--no-taints");
    await ready(k1, limits.ready);
  });
  await report.check(
    "a controller with a worker has a node of its role, without taint",
    async () => {
      await waitFor("k1 to be Ready", limits.node, () => nodeIs(k1, "k1", "True"));
      const object = node.parse(await json(k1, "get", "node", "k1"));
      same(object.metadata.labels["node.k0sproject.io/role"], "control-plane");
      same(object.spec.taints, undefined, "taints");
      matches(output(await k1.k0s("status")), /^Role: controller\nWorkloads: true$/m);
    },
  );
  await report.check("a restart does not read the token", async () => {
    await w1.stop(limits.stop);
    w1.write("token", "");
    start();
    await waitFor("w1 to answer", limits.node, async () => {
      const answer = await w1.k0s("status");
      return answer.code === 0 ? undefined : answer.stderr;
    });
  });
  await report.check("its node is deleted, and returns with the next start only", async () => {
    await kubectl(k1, "delete", "node", "w1");
    holds((await nodeIs(k1, "w1", "True")) !== undefined, "no node w1");
    await w1.stop(limits.stop);
    start();
    await waitFor("w1 to be Ready", limits.node, () => nodeIs(k1, "w1", "True"));
    await w1.stop(limits.stop);
  });
  await report.check("a worker of another minor version finds no configuration", async () => {
    const older = ["env", "LAB_K0S_VERSION=v1.35.5+k0s.0", w1.binary, "worker"];
    const answer = await w1.run(["timeout", "-s", "KILL", "2", ...older]);
    matches(answer.stderr, /worker-config-default-1\.35\\?" is forbidden/);
  });
}
