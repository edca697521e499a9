/** `npm run bench`: the lab's hosts, one subject's measurements, and their figures. */
import { attempt, failure } from "../lab/command";
import { labEnvironment } from "../lab/environment";
import { isUp } from "../lab/hosts";
import { HOSTS } from "../lab/network";
import { checkout } from "../lab/paths";
import { say, step } from "../lab/progress";
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

/** As they are printed. */
async function figures(options: Options, ours: Ours): Promise<string> {
  const print = <T>(of: T, text: (of: T) => string): string =>
    options.json ? `${JSON.stringify(of, null, 2)}\n` : text(of);
  return options.only === "starts"
    ? print(startFiguresOf(await measureStarts(options, ours)), startTable)
    : print(figuresOf(await measureNoop(options, ours)), table);
}

/** Brings the hosts up if need be; what was not there before does not stay. */
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

/** A host has one stack: stack lab gives its hosts up for the bench. Answers what gives them back. */
async function freeHosts(): Promise<() => Promise<void>> {
  const stack = new Stack(checkout, labEnvironment(), "lab");
  const held = (await stack.exists()) && (await stack.resources()).length > 0;
  if (!held) return () => Promise.resolve();
  await step("stack lab gives its hosts up; its volumes stay", () => stack.destroy());
  return async () => {
    await step("stack lab takes its hosts back", () => stack.converge());
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
