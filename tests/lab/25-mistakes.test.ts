/**
 * The likely mistakes that Pulumi itself reports, as docs/troubleshooting.md has them, and the
 * options of its commands in the guides. Needs the engine, and no host.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PAGES, commands, read } from "../guides";
import { documented } from "../troubleshooting";
import { lab } from "./lab";
import { UserRepository, ok } from "./userRepository";

const user = new UserRepository();
const state = mkdtempSync(join(tmpdir(), "pulumi-microvm-state-"));
/** A backend of its own. */
const settings = [`PULUMI_BACKEND_URL=file://${state}`];

beforeAll(async () => {
  await user.makeByNix();
  await ok(user.pulumi(["stack", "init"], settings));
});
afterAll(async () => {
  await user.remove(settings);
  rmSync(state, { recursive: true });
});

async function failure(words: string[], more: string[] = []): Promise<string> {
  const { code, text } = await user.pulumi(words, [...more, ...settings]);
  expect(code).not.toBe(0);
  return text;
}

test("the packages are not installed", async () => {
  const text = await failure(["preview"]);
  expect(text).toMatch(documented("packages not installed"));
  expect(text).toContain("npm install");
});

test("Pulumi is older than the project requires", async () => {
  const project = user.read("Pulumi.yaml");
  user.write("Pulumi.yaml", project.replace(">=3.256.0", ">=99.0.0"));
  const text = await failure(["preview"]);
  user.write("Pulumi.yaml", project);
  expect(text).toMatch(documented("old Pulumi"));
  expect(text).toContain(">=99.0.0");
});

test("there is no passphrase", async () => {
  const text = await failure(["preview"], ["-u", "PULUMI_CONFIG_PASSPHRASE"]);
  expect(text).toMatch(documented("no passphrase"));
});

test("another run holds the lock of the stack, until pulumi cancel", async () => {
  const locks = join(state, ".pulumi", "locks", "organization", "my-site", "prod");
  const lock = { pid: 4711, username: "ops", hostname: "station", timestamp: new Date() };
  mkdirSync(locks, { recursive: true });
  writeFileSync(join(locks, "00000000-0000-4000-8000-000000000000.json"), JSON.stringify(lock));
  const text = await failure(["up", "--yes", "--skip-preview"]);
  expect(text).toMatch(documented("locked stack"));
  expect(text).toMatch(/pulumi cancel[^]*ops@station \(pid 4711\)/);
  await ok(user.pulumi(["cancel", "--yes"], settings));
  expect(await failure(["up", "--yes", "--skip-preview"])).not.toMatch(documented("locked stack"));
});

describe("the guides", () => {
  const all = PAGES.flatMap((page) => commands(read(page)))
    .filter(([program]) => program === "pulumi")
    .map(([, ...words]) => words);
  const isOption = (word: string): boolean => word.startsWith("-");
  const nouns = ["config", "stack", "state", "plugin"];
  const subcommandOf = ([first = "", second = ""]: string[]): string[] =>
    nouns.includes(first) && second !== "" && !isOption(second) ? [first, second] : [first];
  const byCommand = new Map<string, Set<string>>();
  for (const words of all) {
    const command = subcommandOf(words).join(" ");
    const options = byCommand.get(command) ?? new Set<string>();
    for (const word of words.filter(isOption)) options.add(word.replace(/=.*$/, ""));
    byCommand.set(command, options);
  }

  test.each([...byCommand])("pulumi %s", async (command, options) => {
    const help = await ok(lab(["exec", "pulumi", ...command.split(" "), "--help"]));
    // Pulumi answers an unknown command with the help of the command above it. The name of a known
    // one may be an alias.
    const above = command.split(" ").slice(0, -1);
    expect(help).toMatch(new RegExp(`^ +${["pulumi", ...above].join(" ")} [a-z]`, "m"));
    for (const option of options) expect(help).toMatch(new RegExp(` ${option}\\b`));
  });
});
