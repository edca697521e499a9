/** `apply`: what was reviewed is applied, and nothing else. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { END, said, step, urnOf } from "./eventLog";
import { KEY, forge, place, pulumiPreviews, run, ups, useStandIns, vm } from "./standIns";
import type { Result } from "./standIns";

useStandIns();

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
        const [comment] = forge().comments;
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
