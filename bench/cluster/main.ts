/** The benchmark of a cluster: its `up` from nothing, and passes over many nodes. */
import { step } from "../../lab/progress";
import type { Options } from "../options";
import type { Ours } from "../ours";
import type { ClusterMeasured } from "./figures";
import { measureNodes, stopWorkers } from "./nodes";
import type { NodeRounds } from "./nodes";
import { measureUps } from "./up";

export async function measureCluster(
  { sizes, rounds }: Options,
  ours: Ours,
): Promise<ClusterMeasured> {
  const ups = await measureUps(rounds, ours);
  const nodes = new Map<number, NodeRounds>();
  for (const size of sizes) {
    nodes.set(size, await measureNodes(size, rounds, ours));
    await step(`removing ${size} nodes`, async () => {
      await stopWorkers();
      await ours.stack.destroy();
    });
  }
  return { ups, nodes };
}
