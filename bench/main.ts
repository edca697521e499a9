/**
 * `npm run bench`: what a pass with nothing to do costs. Ours beside the engine's floor and beside
 * Ansible, round by round, at several numbers of stopped VMs on the lab's hosts.
 */
import { attempt, failure } from "../lab/command";
import { labEnvironment } from "../lab/environment";
import { isUp } from "../lab/hosts";
import { HOSTS } from "../lab/network";
import { checkout } from "../lab/paths";
import { say, step } from "../lab/progress";
import { Ansible } from "./ansible";
import { emptyRounds, figuresOf, table, type Measured, type Rounds } from "./figures";
import { Floor } from "./floor";
import { parseOptions, type Options } from "./options";
import { Ours } from "./ours";
import { Stack } from "./stack";

interface Contestants {
  ours: Ours;
  floor: Floor;
  ansible: Ansible;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const measured = await inLab((contestants) => compare(options, contestants));
  const figures = figuresOf(measured);
  process.stdout.write(options.json ? `${JSON.stringify(figures, null, 2)}\n` : table(figures));
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

/** One pass of each is not measured: caches are warm for all of them. */
async function prepare(size: number, { ours, floor, ansible }: Contestants): Promise<void> {
  await step(`our stack with ${size} VMs`, () => ours.converge(size));
  await step("the floor's stack", async () => floor.converge(await ours.stack.resources()));
  await step("warming up", async () => {
    await ours.stack.up();
    await floor.stack.up();
    await ansible.expect(await ours.vms());
    await ansible.checkBatched();
  });
}

/** In turns, so that what else the machine does meets all of them. */
async function runRound(rounds: Rounds, { ours, floor, ansible }: Contestants): Promise<void> {
  const measure = async (what: Measured, run: () => Promise<number>): Promise<void> => {
    const elapsed = await run();
    rounds[what].push(elapsed);
    say(`    ${what} ${elapsed.toFixed(2)} s`);
  };
  await measure("ours", () => ours.stack.up());
  await measure("floor", () => floor.stack.up());
  await measure("oursPreview", () => ours.stack.preview());
  await measure("floorPreview", () => floor.stack.preview());
  await measure("ansible", () => ansible.check());
  await measure("ansibleBatched", () => ansible.checkBatched());
  await measure("evaluation", () => ours.evaluate());
}

/** Brings the hosts up if need be; what was not there before does not stay. */
async function inLab<T>(use: (contestants: Contestants) => Promise<T>): Promise<T> {
  const wasUp = HOSTS.every((host) => isUp(host));
  await lab("hosts-up");
  const contestants = {
    ours: await Ours.make(),
    floor: new Floor(),
    ansible: await Ansible.ensure(),
  };
  const giveBack = await freeHosts();
  try {
    return await use(contestants);
  } finally {
    await step("clearing up", () => clearUp(contestants, wasUp));
    if (wasUp) await giveBack();
  }
}

/** A host has one stack: stack lab gives its hosts up for the bench. Answers what gives them back. */
async function freeHosts(): Promise<() => Promise<void>> {
  const stack = new Stack(checkout, labEnvironment(), "lab");
  const held = (await stack.exists()) && (await stack.resources()).length > 0;
  if (!held) return () => Promise.resolve();
  await step("stack lab gives its hosts up; its volumes stay", () => stack.destroy());
  return () => step("stack lab takes its hosts back", () => stack.converge());
}

async function clearUp({ ours, floor, ansible }: Contestants, keepLab: boolean): Promise<void> {
  await ansible.close();
  if (keepLab) {
    await floor.remove();
    await ours.remove();
  } else {
    await lab("down");
    floor.forgetFiles();
    ours.forgetFiles();
  }
}

/** Its words go to standard error: standard output is the figures' alone. */
async function lab(word: string): Promise<void> {
  const command = ["lab/run", "lab", word];
  const result = await attempt(command, { cwd: checkout, timeoutSeconds: 3600 });
  process.stderr.write(result.stderr);
  if (result.code !== 0) throw new Error(failure(command, result));
}

main().catch((error: unknown) => {
  say(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
