/**
 * The cost of a pass without changes. Compares our stack with the engine's floor and with Ansible,
 * round by round, at several numbers of stopped VMs.
 */
import { say, step } from "../lab/progress";
import { Ansible } from "./ansible";
import { emptyRounds, type Measured, type Rounds } from "./figures";
import { Floor } from "./floor";
import type { Options } from "./options";
import type { Ours } from "./ours";

interface Contestants {
  ours: Ours;
  floor: Floor;
  /** The same with the inputs of our resources. */
  loaded: Floor;
  ansible: Ansible;
}

/** Results by number of VMs. */
export async function measureNoop(options: Options, ours: Ours): Promise<Map<number, Rounds>> {
  const contestants = {
    ours,
    floor: new Floor(),
    loaded: new Floor(true),
    ansible: await Ansible.ensure(),
  };
  try {
    return await compare(options, contestants);
  } finally {
    await contestants.ansible.close();
    await contestants.floor.remove();
    await contestants.loaded.remove();
  }
}

async function compare(
  { sizes, rounds }: Options,
  contestants: Contestants,
): Promise<Map<number, Rounds>> {
  const measured = new Map<number, Rounds>();
  for (const size of sizes) {
    await prepare(size, contestants);
    const of = emptyRounds();
    for (let round = 1; round <= rounds; round++) {
      await step(`${size} VMs, round ${round} of ${rounds}`, () => runRound(of, contestants));
    }
    measured.set(size, of);
  }
  return measured;
}

/** Runs one pass of each without measuring it, so that all caches are warm. */
async function prepare(size: number, contestants: Contestants): Promise<void> {
  const { ours, floor, loaded, ansible } = contestants;
  await step(`our stack with ${size} VMs`, () => ours.converge(size));
  await step("the floor's stacks", async () => {
    const resources = await ours.stack.resources();
    await floor.converge(resources);
    await loaded.converge(resources);
  });
  await step("warming up", async () => {
    await ours.stack.up();
    await floor.stack.up();
    await loaded.stack.up();
    await ansible.expect(await ours.vms());
    await ansible.checkBatched();
  });
}

/** Measures in turns, so that other load of the machine affects all of them. */
async function runRound(rounds: Rounds, contestants: Contestants): Promise<void> {
  const { ours, floor, loaded, ansible } = contestants;
  const measure = async (what: Measured, run: () => Promise<number>): Promise<void> => {
    const elapsed = await run();
    rounds[what].push(elapsed);
    say(`    ${what} ${elapsed.toFixed(2)} s`);
  };
  await measure("ours", () => ours.stack.up());
  await measure("floor", () => floor.stack.up());
  await measure("floorWithInputs", () => loaded.stack.up());
  await measure("oursPreview", () => ours.stack.preview());
  await measure("floorPreview", () => floor.stack.preview());
  await measure("ansible", () => ansible.check());
  await measure("ansibleBatched", () => ansible.checkBatched());
  await measure("evaluation", () => ours.evaluate());
}
