/** `npm run bench`: starts the lab's hosts, measures one subject and prints the figures. */
import { attempt, failure } from "../lab/command";
import { labEnvironment } from "../lab/environment";
import { isUp } from "../lab/hosts";
import { HOSTS } from "../lab/network";
import { checkout } from "../lab/paths";
import { say, step } from "../lab/progress";
import { clusterFiguresOf, clusterTable } from "./cluster/figures";
import { measureCluster } from "./cluster/main";
import { figuresOf, startFiguresOf, startTable, table } from "./figures";
import { measureNoop } from "./noop";
import { parseOptions, type Options } from "./options";
import { Ours } from "./ours";
import { Stack } from "./stack";
import { measureStarts } from "./starts";

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  process.stdout.write(await inLab((ours) => figures(options, ours)));
}

/** The printed figures. */
async function figures(options: Options, ours: Ours): Promise<string> {
  const print = <T>(of: T, text: (of: T) => string): string =>
    options.json ? `${JSON.stringify(of, null, 2)}\n` : text(of);
  switch (options.only) {
    case "noop":
      return print(figuresOf(await measureNoop(options, ours)), table);
    case "starts":
      return print(startFiguresOf(await measureStarts(options, ours)), startTable);
    case "cluster":
      await lab("k0s");
      return print(clusterFiguresOf(await measureCluster(options, ours)), clusterTable);
  }
}

/** Starts the hosts if necessary, and afterwards removes what was started. */
async function inLab<T>(use: (ours: Ours) => Promise<T>): Promise<T> {
  const wasUp = HOSTS.every((host) => isUp(host));
  await lab("hosts-up");
  const ours = await Ours.make();
  const giveBack = await freeHosts();
  try {
    return await use(ours);
  } finally {
    await step("clearing up", () => clearUp(ours, wasUp));
    if (wasUp) await giveBack();
  }
}

/** Destroys stack lab, because a host has one stack. Returns a function that restores the stack. */
async function freeHosts(): Promise<() => Promise<void>> {
  const stack = new Stack(checkout, labEnvironment(), "lab");
  const held = (await stack.exists()) && (await stack.resources()).length > 0;
  if (!held) return () => Promise.resolve();
  await step("destroying stack lab; its volumes stay", () => stack.destroy());
  return async () => {
    await step("restoring stack lab", () => stack.converge());
  };
}

async function clearUp(ours: Ours, keepLab: boolean): Promise<void> {
  if (keepLab) {
    await ours.remove();
  } else {
    await lab("down");
    ours.forgetFiles();
  }
}

/** Progress goes to standard error. Standard output contains only the figures. */
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
