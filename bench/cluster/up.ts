/**
 * An `up` of a cluster of three controllers and two workers from nothing, beside the sum of what it
 * must wait for on its longest path.
 */
import { join } from "node:path";
import { labSource } from "../../lab/paths";
import { say, step } from "../../lab/progress";
import { clusterPlace, type Ours } from "../ours";
import { clusterSite } from "../site";
import { pathOf, sum } from "./path";
import type { Path } from "./path";
import { memberTimes } from "./times";

const SHAPE = { controllers: 3, workers: 2 };

export interface UpRound extends Path {
  ours: number;
  criticalPath: number;
}

/** The first round is not measured: it builds the systems, and later rounds find them built. */
export async function measureUps(rounds: number, ours: Ours): Promise<UpRound[]> {
  const measured: UpRound[] = [];
  await step("3 controllers and 2 workers, unmeasured", () => upFromNothing(ours));
  for (let round = 1; round <= rounds; round++) {
    await step(`3 controllers and 2 workers, round ${round} of ${rounds}`, async () => {
      const of = await upFromNothing(ours);
      measured.push(of);
      say(`    up ${of.ours.toFixed(2)} s, longest path ${of.criticalPath.toFixed(2)} s`);
      for (const { what, seconds } of [...of.waits, ...of.between]) {
        say(`      ${seconds.toFixed(2).padStart(6)} s  ${what}`);
      }
    });
  }
  return measured;
}

async function upFromNothing(ours: Ours): Promise<UpRound> {
  const site = clusterSite(SHAPE, clusterPlace(join(labSource, "flake")));
  try {
    const began = Date.now() / 1000;
    const seconds = await ours.run(site);
    // The settings of the stack were written first, which is no part of the `up`.
    const ended = Date.now() / 1000;
    const path = pathOf(await memberTimes(), Math.max(began, ended - seconds), ended);
    return { ours: seconds, criticalPath: sum(path.waits), ...path };
  } finally {
    await ours.stack.destroy();
  }
}
