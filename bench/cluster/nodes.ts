/**
 * Passes without changes over a cluster with many nodes. The controllers are those of the lab. The
 * VMs of the workers run only an sshd (microvm-run.sh). Their nodes belong to one kwok, and their
 * `K0sNode`s are put into the state, since nothing is there that could join. What a pass reads of
 * them is real: the API's lists, and the facts of the hypervisors.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { HOSTS } from "../../lab/network";
import { checkout, labSource, stateDirectory } from "../../lab/paths";
import { say, step } from "../../lab/progress";
import { onHost } from "../../lab/ssh";
import { Floor } from "../floor";
import { clusterPlace, type Ours } from "../ours";
import { clusterSite } from "../site";
import type { Stack, StateResource } from "../stack";
import { inGuest } from "./times";

const CONTROLLERS = 3;
const STOP_SECONDS = 300;
const flake = join(stateDirectory, "bench", "flake");

/** Seconds of `up` in each round. */
export interface NodeRounds {
  ours: number[];
  floor: number[];
  floorWithInputs: number[];
}

export async function measureNodes(nodes: number, rounds: number, ours: Ours): Promise<NodeRounds> {
  const [floor, loaded] = [new Floor(), new Floor(true)];
  try {
    await prepare(nodes, ours, [floor, loaded]);
    const of: NodeRounds = { ours: [], floor: [], floorWithInputs: [] };
    const measure = async (what: keyof NodeRounds, stack: Stack): Promise<void> => {
      const elapsed = await stack.up();
      of[what].push(elapsed);
      say(`    ${what} ${elapsed.toFixed(2)} s`);
    };
    for (let round = 1; round <= rounds; round++) {
      await step(`${nodes} nodes, round ${round} of ${rounds}`, async () => {
        await measure("ours", ours.stack);
        await measure("floor", floor.stack);
        await measure("floorWithInputs", loaded.stack);
      });
    }
    return of;
  } finally {
    await floor.remove();
    await loaded.remove();
  }
}

async function prepare(nodes: number, ours: Ours, floors: readonly Floor[]): Promise<void> {
  makeFlake();
  const shape = { controllers: CONTROLLERS, workers: nodes };
  const site = clusterSite(shape, clusterPlace(flake));
  await step(`our stack with ${CONTROLLERS} controllers and ${nodes} VMs`, () =>
    ours.run(site, "--exclude", "**microvm:index:K0sNode::w*"),
  );
  await step(`${nodes} nodes`, async () => {
    const workers = nodesOf(await ours.stack.resources());
    await registerNodes(workers);
    await ours.stack.adopt(workers);
  });
  await step("the floor's stacks", async () => {
    const resources = await ours.stack.resources();
    for (const floor of floors) await floor.converge(resources);
  });
  await step("warming up", async () => {
    for (const { stack } of [ours, ...floors]) await stack.up();
  });
}

/** The lab's flake, whose runner starts no guest for a worker. */
function makeFlake(): void {
  rmSync(flake, { recursive: true, force: true });
  mkdirSync(flake, { recursive: true });
  cpSync(join(labSource, "flake"), flake, { recursive: true });
  const runner = join(flake, "scripts", "microvm-run.sh");
  const workers = readFileSync(join(checkout, "bench", "cluster", "microvm-run.sh"), "utf8");
  writeFileSync(runner, workers + readFileSync(runner, "utf8"));
}

const clusterInputs = z.object({
  members: z.record(z.string(), z.looseObject({ host: z.string(), role: z.string() })),
});

/** The `K0sNode`s of the workers, made from that of a controller and the inputs of `K0sCluster`. */
function nodesOf(resources: readonly StateResource[]): StateResource[] {
  const of = (type: string): StateResource[] =>
    resources.filter((resource) => resource.type === `microvm:index:${type}`);
  const [cluster] = of("K0sCluster");
  const [model] = of("K0sNode");
  if (cluster === undefined || model === undefined) throw new Error("the stack has no cluster");
  const former = model.urn.split("::").at(-1) ?? "";
  const machineIds = new Map(
    of("MicroVm").map(({ inputs = {} }) => [inputs["name"], inputs["machineId"]]),
  );
  const { members } = clusterInputs.parse(cluster.inputs);
  return Object.entries(members)
    .filter(([, { role }]) => role === "worker")
    .map(([name, member]): StateResource => {
      const own = { ...member, name, hostName: name, machineId: machineIds.get(name) };
      const inputs = { ...model.inputs, ...own };
      const outputs = { ...inputs, status: "ready", memberId: "" };
      const text = JSON.stringify(model).replaceAll(`::${former}"`, `::${name}"`);
      const copy = z.looseObject({ urn: z.string(), type: z.string() }).parse(JSON.parse(text));
      return { ...copy, id: `bench/${name}`, inputs, outputs };
    });
}

const nodeInputs = z.object({ name: z.string(), address: z.string() });

/** Registers the nodes as kubelets do, and lets one kwok keep them Ready. */
async function registerNodes(workers: readonly StateResource[]): Promise<void> {
  const items = workers.map(({ inputs }) => {
    const { name, address } = nodeInputs.parse(inputs);
    const addresses = [
      { type: "InternalIP", address },
      { type: "Hostname", address: name },
    ];
    return { apiVersion: "v1", kind: "Node", metadata: { name }, status: { addresses } };
  });
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const stages = readFileSync(join(labSource, "k0s", "stages.yaml"), "utf8");
  await inGuest("c1", `k0s kubectl create -f - <<'END'\n${list}\nEND\n`);
  await inGuest("c1", `cat >/run/kwok.yaml <<'END'\n${stages}\nEND\n${KWOK}\n${READY}\n`);
}

/** The end of the cluster logs in to each member that runs. */
export async function stopWorkers(): Promise<void> {
  const stop = "systemctl stop 'microvm@w*.service'";
  await Promise.all(HOSTS.map((host) => onHost(host, stop, STOP_SECONDS)));
}

const KWOK =
  "systemd-run --quiet --collect --unit=bench-kwok " +
  "/usr/local/lib/pulumi-microvm-lab/programs/k0s/kwok --kubeconfig=/var/lib/k0s/pki/admin.conf " +
  "--config=/run/kwok.yaml --manage-all-nodes --node-lease-duration-seconds=40 --server-address=";
const READY = "k0s kubectl wait --for=condition=Ready nodes --all --timeout=100s >/dev/null";
