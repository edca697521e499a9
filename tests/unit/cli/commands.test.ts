/** The commands from their arguments to their exit code, with a stand-in for Pulumi. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { CommanderError } from "commander";
import { planKey } from "../../../cli/preview/planKey";
import { makeProgram } from "../../../cli/program";
import type { Terminal } from "../../../cli/terminal";
import { FakeForge } from "./fakeForge";
import { END, logOf, refresh, said, step, urnOf } from "./eventLog";

const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-cli-"));
const place = (name: string): string => join(directory, name);
const before = { ...process.env };

/** It "previews" what is in `events`, and keeps the arguments of each call in `calls`. */
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
esac
`;

const KEY = "abcdefghijklmnopqrstuvwxyz012345";

let forge: FakeForge;
beforeAll(() => {
  writeFileSync(place("pulumi"), PULUMI);
  chmodSync(place("pulumi"), 0o755);
});
afterAll(() => {
  process.env = before;
  rmSync(directory, { recursive: true });
});
beforeEach(async () => {
  forge = await FakeForge.start("github");
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
afterEach(() => forge.stop());

const vm = (value: number): object =>
  step("MicroVm", "kw1", {
    old: { name: "kw1", host: "hv1" },
    new: { name: "kw1", host: "hv1", a: value },
    diff: { a: "input" },
  });

function pulumiPreviews(events: object[], exitCode = 0, stderr = ""): void {
  writeFileSync(place("events"), logOf(...events));
  writeFileSync(place("exit-code"), String(exitCode));
  writeFileSync(place("stderr"), stderr);
}

interface Result {
  code: number | undefined;
  out: string;
  failure: unknown;
}

async function run(...words: string[]): Promise<Result> {
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

const calls = (): string[] =>
  existsSync(place("calls")) ? readFileSync(place("calls"), "utf8").trim().split("\n") : [];
const ups = (): string[] => calls().filter((call) => call.startsWith("up "));

describe("preview", () => {
  test("writes files, the summary of the job and the comment", async () => {
    const summary = place("summary");
    writeFileSync(summary, "before\n");
    process.env["GITHUB_STEP_SUMMARY"] = summary;
    const { code, out } = await run(
      ...["-s", "prod", "preview", "--comment", "--pull-request", "7"],
      ...["--out", place("out"), "--", "--target", "x"],
    );
    expect(code).toBe(0);
    expect(out).toContain("site/prod: 1 change, nothing restarts");
    expect(calls()[0]).toMatch(/--stack=prod .*--show-secrets --target x$/);
    // The plan has secrets.
    expect(readFileSync(place("mode"), "utf8")).toBe("600\n600\n");
    const comment = readFileSync(join(place("out"), "comment.md"), "utf8");
    expect(forge.comments.map(({ body }) => body)).toEqual([comment]);
    expect(readFileSync(summary, "utf8")).toMatch(/^before\n## `site\/prod`/);
    const json: unknown = JSON.parse(readFileSync(join(place("out"), "preview.json"), "utf8"));
    expect(json).toMatchObject({ version: 1, stack: "site/prod", isWhole: true });
  });

  test("that fails is reported too, and renews the same comment", async () => {
    await run("preview", "--comment", "--pull-request", "7");
    const error = said("error", "no room", urnOf("MicroVm", "kw1"));
    pulumiPreviews([vm(1), error], 255);
    const { code } = await run("preview", "--comment", "--pull-request", "7");
    expect(code).toBe(3);
    expect(forge.comments).toHaveLength(1);
    expect(forge.comments[0]?.body).toContain("blocked by 1 problem");
  });

  test("that fails before it has a stack knows it from the project", async () => {
    await run("preview", "--comment", "--pull-request", "7");
    writeFileSync(place("Pulumi.yaml"), "name: site\n");
    pulumiPreviews([], 255, "error: could not decrypt\n");
    const { code, out } = await run(
      "-s",
      "me/site/prod",
      "preview",
      "--comment",
      "--pull-request",
      "7",
    );
    expect(code).toBe(3);
    expect(out).toContain("could not decrypt");
    expect(forge.comments).toHaveLength(1);
    expect(forge.comments[0]?.body).toContain("could not decrypt");
  });

  test("without a pull request says what to pass", async () => {
    const { failure } = await run("preview", "--comment");
    expect(failure).toMatchObject({
      exitCode: 2,
      message: "there is no pull request to comment on",
    });
  });
});

describe("apply", () => {
  const review = (): Promise<Result> => run("preview", "--comment", "--pull-request", "7");

  test("runs up if the plan is the reviewed one", async () => {
    await review();
    expect((await run("-s", "prod", "apply")).code).toBe(0);
    expect(ups()).toEqual(["up --yes --skip-preview --non-interactive --stack=prod"]);
  });

  test("stops if it is another one, and says what changed", async () => {
    await review();
    const volume = step("Volume", "kw1-var", { op: "delete", old: { vm: "kw1" }, new: null });
    pulumiPreviews([vm(2), volume, END]);
    const { code, out } = await run("apply");
    expect(code).toBe(4);
    expect(out).toContain("The plan is not the one of pull request 7: nothing was changed.");
    expect(out).toContain("changed since: MicroVm kw1");
    expect(out).toContain("not reviewed: Volume kw1-var");
    expect(ups()).toEqual([]);
  });

  test("names what is no longer planned", async () => {
    pulumiPreviews([vm(1), step("Volume", "v", { op: "create" }), END]);
    await review();
    pulumiPreviews([vm(1), step("Volume", "v", { op: "same" }), END]);
    const { code, out } = await run("apply");
    expect(code).toBe(4);
    expect(out).toContain("no longer planned: Volume v");
  });

  test.each([
    ["nobody reviewed it", () => Promise.resolve(), /has no comment of this workflow's account/],
    [
      "someone else wrote the comment",
      async () => {
        await review();
        const [comment] = forge.comments;
        if (comment !== undefined) comment.user = { login: "mallory" };
      },
      /has no comment of this workflow's account/,
    ],
    [
      "the comment was made with another key",
      async () => {
        process.env["PULUMI_MICROVM_PLAN_KEY"] = KEY.toUpperCase();
        await review();
        process.env["PULUMI_MICROVM_PLAN_KEY"] = KEY;
      },
      /is not signed with this workflow's key/,
    ],
    [
      "the preview had failed",
      async () => {
        pulumiPreviews([vm(1), said("error", "x", urnOf("MicroVm", "kw1"))], 1);
        await review();
        pulumiPreviews([vm(1), END]);
      },
      /there was no plan to review/,
    ],
    [
      "the commit came without a pull request",
      () => {
        process.env["GITHUB_SHA"] = "pushed";
        return Promise.resolve();
      },
      /came with no merged pull request/,
    ],
  ])("stops if %s", async (_, prepare, message) => {
    await prepare();
    const { failure } = await run("apply");
    expect(failure).toMatchObject({ exitCode: 4 });
    expect(String(failure)).toMatch(message);
    expect(ups()).toEqual([]);
  });

  test("stops if the preview fails", async () => {
    await review();
    pulumiPreviews([vm(1), said("error", "x", urnOf("MicroVm", "kw1")), END], 1);
    expect((await run("apply")).code).toBe(3);
    expect(ups()).toEqual([]);
  });

  test("needs no review if there is nothing to do", async () => {
    pulumiPreviews([step("MicroVm", "kw1", { op: "same" }), END]);
    const { code, out } = await run("apply");
    expect(code).toBe(0);
    expect(out).toContain("There is nothing to do.");
    expect(ups()).toEqual([]);
  });

  test("takes a hash by hand, but not a short one", async () => {
    await run("preview", "--out", place("out"));
    const text = readFileSync(join(place("out"), "preview.json"), "utf8");
    const [, hash = ""] = /"hash": "([0-9a-f]{64})"/.exec(text) ?? [];
    expect((await run("apply", "--hash", hash.slice(0, 11))).code).toBe(4);
    expect(ups()).toEqual([]);
    expect((await run("apply", "--hash", hash.slice(0, 12))).code).toBe(0);
    expect(ups()).toHaveLength(1);
  });
});

describe("drift", () => {
  const drifted = refresh("MicroVm", "kw1", {
    oldOutputs: { running: true },
    newOutputs: { running: false },
  });
  const same = step("MicroVm", "kw1", { op: "same" });

  test("opens one issue, renews it, and closes it when the drift is gone", async () => {
    pulumiPreviews([drifted, same, END]);
    expect((await run("drift", "--issue")).code).toBe(5);
    expect((await run("drift", "--issue")).code).toBe(5);
    expect(forge.issues).toMatchObject([{ title: "Drift of site/prod", state: "open" }]);
    expect(forge.issues[0]?.body).toContain("`running`");
    pulumiPreviews([same, END]);
    expect((await run("drift", "--issue")).code).toBe(0);
    expect(forge.issues[0]?.state).toBe("closed");
  });

  test("leaves the issue open while a host can't be read", async () => {
    pulumiPreviews([drifted, same, END]);
    await run("drift", "--issue");
    pulumiPreviews([same, said("error", "away", urnOf("MicroVm", "kw1"))], 1);
    expect((await run("drift", "--issue")).code).toBe(3);
    expect(forge.issues[0]?.state).toBe("open");
  });

  test("tells it without an issue too", async () => {
    pulumiPreviews([drifted, same, END]);
    const { code, out } = await run("drift");
    expect(code).toBe(5);
    expect(out).toContain("drift MicroVm kw1 running: true -> false");
    expect(forge.requests).toEqual([]);
  });
});

describe("the key", () => {
  test("comes from its variable, else from the passphrase or its file", () => {
    writeFileSync(place("passphrase"), "a phrase\n");
    const [key, ofPhrase, ofFile] = [
      planKey({ PULUMI_MICROVM_PLAN_KEY: KEY, PULUMI_CONFIG_PASSPHRASE: "a phrase" }),
      planKey({ PULUMI_CONFIG_PASSPHRASE: "a phrase" }),
      planKey({ PULUMI_CONFIG_PASSPHRASE_FILE: place("passphrase") }),
    ];
    expect(ofPhrase).toMatch(/^[0-9a-f]{64}$/);
    expect(ofFile).toBe(ofPhrase);
    expect(key).not.toBe(ofPhrase);
    expect(planKey({ PULUMI_CONFIG_PASSPHRASE: "" })).toBeUndefined();
  });

  test("must be long", () => {
    expect(() => planKey({ PULUMI_MICROVM_PLAN_KEY: "short" })).toThrow(/fewer than 32 characters/);
  });
});

describe("the command line", () => {
  test("help of the program and of each command", async () => {
    const { out, failure } = await run("--help");
    expect(failure).toBeInstanceOf(CommanderError);
    expect(out).toMatch(/Usage: pulumi-microvm \[options\] \[command\]/);
    expect(out).toMatch(/Exit codes:\n {2}0 {2}done/);
    expect((await run("apply", "--help")).out).toMatch(/--hash <hash>/);
  });

  test.each([[["preview", "--nonsense"]], [["nonsense"]], [["preview", "--pull-request", "x"]]])(
    "refuses %j",
    async (words) => {
      const { failure } = await run(...words);
      expect(failure).toBeInstanceOf(CommanderError);
      expect(calls()).toEqual([]);
    },
  );
});
