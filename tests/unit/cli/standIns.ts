/** Commands from arguments to exit code, with stand-ins for Pulumi and for the forge. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { makeProgram } from "../../../cli/program";
import type { Terminal } from "../../../cli/terminal";
import { FakeForge } from "./fakeForge";
import { END, logOf, step } from "./eventLog";

const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-cli-"));
export const place = (name: string): string => join(directory, name);
const before = { ...process.env };

/**
 * It "previews" what is in `events`, and keeps the arguments of each call in `calls`. The stack has
 * no configuration.
 */
const PULUMI = `#!/bin/sh
printf '%s\\n' "$*" >>'${place("calls")}'
case $1 in
  preview)
    for word; do
      case $word in --event-log=*) log=\${word#*=} ;; --save-plan=*) plan=\${word#*=} ;; esac
    done
    cat '${place("events")}' >"$log"
    stat -c %a "$log" "$plan" >'${place("mode")}'
    cat '${place("stderr")}' >&2
    exit "$(cat '${place("exit-code")}')" ;;
  stack) cat '${place("outputs")}' ;;
  config) exit 1 ;;
esac
`;

export const KEY = "abcdefghijklmnopqrstuvwxyz012345";

const standIns: { forge?: FakeForge } = {};

/** The forge of the running test. */
export function forge(): FakeForge {
  if (standIns.forge === undefined) throw new Error("call useStandIns first");
  return standIns.forge;
}

/** For the top of a test file. */
export function useStandIns(): void {
  beforeAll(() => {
    writeFileSync(place("pulumi"), PULUMI);
    chmodSync(place("pulumi"), 0o755);
  });
  afterAll(() => {
    process.env = before;
    rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    standIns.forge = await FakeForge.start("github");
    const { forge } = standIns;
    process.env = {
      PATH: `${directory}${delimiter}${before["PATH"] ?? ""}`,
      GITHUB_API_URL: forge.apiUrl,
      GITHUB_REPOSITORY: "me/site",
      GITHUB_TOKEN: "t",
      GITHUB_SHA: "merged",
      PULUMI_MICROVM_PLAN_KEY: KEY,
    };
    rmSync(place("calls"), { force: true });
    forge.pulls["merged"] = [{ number: 7, merged_at: "now", merge_commit_sha: "merged" }];
    pulumiPreviews([vm(1), END]);
  });
  afterEach(() => standIns.forge?.stop());
}

/** A change of a VM. */
export const vm = (value: number): object =>
  step("MicroVm", "kw1", {
    old: { name: "kw1", host: "hv1" },
    new: { name: "kw1", host: "hv1", a: value },
    diff: { a: "input" },
  });

/** What the next preview finds. */
export function pulumiPreviews(events: object[], exitCode = 0, stderr = ""): void {
  writeFileSync(place("events"), logOf(...events));
  writeFileSync(place("exit-code"), String(exitCode));
  writeFileSync(place("stderr"), stderr);
}

export interface Result {
  code: number | undefined;
  out: string;
  failure: unknown;
}

export async function run(...words: string[]): Promise<Result> {
  const lines: string[] = [];
  const terminal: Terminal = {
    print: (text) => void lines.push(text),
    note: (text) => void lines.push(text),
    paint: (_, text) => text,
    during: (_, work) => work(),
  };
  const result: Result = { code: undefined, out: "", failure: undefined };
  const program = makeProgram(terminal, "1.2.3", (code) => (result.code = code));
  const write = (text: string): void => void lines.push(text);
  for (const one of [program, ...program.commands]) {
    one.configureOutput({ writeOut: write, writeErr: write });
  }
  await program
    .parseAsync(["node", "pulumi-microvm", "-C", directory, ...words])
    .catch((error: unknown) => {
      result.failure = error;
    });
  return { ...result, out: lines.join("\n") };
}

/** What Pulumi was called with. */
export const calls = (): string[] =>
  existsSync(place("calls")) ? readFileSync(place("calls"), "utf8").trim().split("\n") : [];
export const ups = (): string[] => calls().filter((call) => call.startsWith("up "));
