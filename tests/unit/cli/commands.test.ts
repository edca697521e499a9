/** `preview`, `drift`, and the command line. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { planKey } from "../../../cli/preview/planKey";
import { documented } from "../../troubleshooting";
import { END, refresh, said, step, urnOf } from "./eventLog";
import { KEY, calls, forge, place, pulumiPreviews, run, useStandIns, vm } from "./standIns";

useStandIns();

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
    expect(forge().comments.map(({ body }) => body)).toEqual([comment]);
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
    expect(forge().comments).toHaveLength(1);
    expect(forge().comments[0]?.body).toContain("blocked by 1 problem");
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
    expect(forge().comments).toHaveLength(1);
    expect(forge().comments[0]?.body).toContain("could not decrypt");
  });

  test("without a pull request says what to pass", async () => {
    const { failure } = await run("preview", "--comment");
    expect(failure).toMatchObject({
      exitCode: 2,
      message: "there is no pull request to comment on",
    });
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
    expect(forge().issues).toMatchObject([{ title: "Drift of site/prod", state: "open" }]);
    expect(forge().issues[0]?.body).toContain("`running`");
    pulumiPreviews([same, END]);
    expect((await run("drift", "--issue")).code).toBe(0);
    expect(forge().issues[0]?.state).toBe("closed");
  });

  test("leaves the issue open while a host can't be read", async () => {
    pulumiPreviews([drifted, same, END]);
    await run("drift", "--issue");
    pulumiPreviews([same, said("error", "away", urnOf("MicroVm", "kw1"))], 1);
    expect((await run("drift", "--issue")).code).toBe(3);
    expect(forge().issues[0]?.state).toBe("open");
  });

  test("tells it without an issue too", async () => {
    pulumiPreviews([drifted, same, END]);
    const { code, out } = await run("drift");
    expect(code).toBe(5);
    expect(out).toContain("drift MicroVm kw1 running: true -> false");
    expect(forge().requests).toEqual([]);
  });
});

describe("validate", () => {
  test("a stack without a site file: the message of the program", async () => {
    const { failure } = await run("-s", "prod", "validate", "--no-flake");
    expect(failure).toMatchObject({ exitCode: 5 });
    expect(String(failure)).toMatch(documented("no site file"));
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
