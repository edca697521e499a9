/**
 * The time until many VMs of one host have started, compared with one VM that starts alone. The
 * runners wait 5 s before the guest responds, so that the processors of this machine affect the
 * figure less: bench/starts/microvm-run.sh.
 */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HOSTS } from "../lab/network";
import { checkout, labSource, stateDirectory } from "../lab/paths";
import { say, step } from "../lab/progress";
import type { StartRounds } from "./figures";
import type { Options } from "./options";
import { siteHost, type Ours } from "./ours";
import { benchSite } from "./site";

const flake = join(stateDirectory, "bench", "flake");

/** The lab's flake with the runner of the bench. */
function makeFlake(): void {
  rmSync(flake, { recursive: true, force: true });
  mkdirSync(flake, { recursive: true });
  cpSync(join(labSource, "flake"), flake, { recursive: true });
  cpSync(
    join(checkout, "bench", "starts", "microvm-run.sh"),
    join(flake, "scripts", "microvm-run.sh"),
  );
}

/** Figures by number of VMs. One VM and all VMs start in turns. In between, all VMs stop. */
export async function measureStarts(
  { sizes, rounds }: Options,
  ours: Ours,
): Promise<Map<number, StartRounds>> {
  makeFlake();
  const measured = new Map<number, StartRounds>();
  const hosts = HOSTS.slice(0, 1).map(siteHost);
  for (const size of sizes) {
    const of: StartRounds = { one: [], all: [] };
    const run = (running: number): Promise<number> =>
      ours.run(benchSite(size, hosts, `path:${flake}`, running));
    const measure = async (what: keyof StartRounds, running: number): Promise<void> => {
      const elapsed = await run(running);
      of[what].push(elapsed);
      say(`    ${what} ${elapsed.toFixed(2)} s`);
      await run(0);
    };
    await step(`${size} stopped VMs on one host`, () => run(0));
    for (let round = 1; round <= rounds; round++) {
      await step(`${size} VMs, round ${round} of ${rounds}`, async () => {
        await measure("one", 1);
        await measure("all", size);
      });
    }
    measured.set(size, of);
  }
  return measured;
}
