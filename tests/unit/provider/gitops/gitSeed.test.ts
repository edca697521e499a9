/** GitSeed with real Git processes and a real `git http-backend`. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { bind } from "../../../../provider/lifecycle";
import { gitSeed } from "../../../../provider/resources/gitops/gitSeed";
import type { Inputs, State } from "../../../../provider/resources/gitops/gitSeedState";
import { Secret, UNKNOWN } from "../../../../provider/wire";
import type { ValueMap } from "../../../../provider/wire";
import { PASSWORD, contextWith, startBench } from "./gitServers";
import type { Bench } from "./gitServers";

jest.setTimeout(60_000);

let bench: Bench;
let said: string[];
beforeEach(async () => {
  bench = await startBench();
  said = [];
});
afterEach(() => bench.close());

const context = () => contextWith(bench.cluster, said);
const observe = (wanted: Inputs, recorded?: State) => gitSeed.observe(context(), wanted, recorded);
const converge = async (wanted: Inputs, recorded?: State): Promise<State> => {
  const observed = await observe(wanted, recorded);
  await gitSeed.refuse?.(context(), wanted, observed, recorded, undefined);
  return gitSeed.converge(context(), wanted, observed, recorded);
};
const explained = (inputs: Inputs, observed?: State) =>
  gitSeed.explain?.({ isNew: true, inputs, observed, before: undefined }, context());
const headOf = (branch = "main"): string =>
  execFileSync("git", ["-C", bench.gitea.pathOf("platform/cluster"), "rev-parse", branch], {
    encoding: "utf8",
  }).trim();

/** A commit that somebody pushes to the Git server. */
function pushedByOthers(text: string, base = "main"): string {
  const path = bench.gitea.pathOf("platform/cluster");
  const tree = bench.user.git("--git-dir", path, "rev-parse", `${base}^{tree}`);
  const args = ["commit-tree", "-p", base, "-m", text, tree];
  const commit = bench.user.git(
    "--git-dir",
    path,
    "-c",
    "user.name=B",
    "-c",
    "user.email=b",
    ...args,
  );
  bench.user.git("--git-dir", path, "update-ref", "refs/heads/main", commit);
  return commit;
}

test("makes owner and repository, pushes, and then has nothing to do", async () => {
  const commit = bench.user.commit("one");
  const wanted = bench.user.inputs();
  expect(await observe(wanted)).toEqual({ status: "absent", seeded: "" });
  const state = await converge(wanted);
  expect(state).toEqual({ status: "seeded", seeded: commit });
  expect(headOf()).toBe(commit);
  bench.gitea.requests.length = 0;
  bench.cluster.requests.length = 0;
  expect(await observe(wanted, state)).toEqual(state);
  expect(gitSeed.drift(state, wanted)).toEqual([]);
  // A pass without changes: one list of heads, over one forward.
  expect(bench.gitea.requests).toEqual(["GET /platform/cluster.git/info/refs"]);
  expect(bench.cluster.requests).toHaveLength(2);
  expect(bench.cluster.forwards.at(-1)).toEqual({ namespace: "gitea", pod: "gitea-1", port: 3001 });
});

test("pushes to a repository of the user itself, and continues after a crash", async () => {
  const commit = bench.user.commit("one");
  const wanted = bench.user.inputs({ repository: "gitops/tree" });
  bench.gitea.create("gitops/tree");
  expect(await observe(wanted)).toMatchObject({ status: "empty" });
  expect(await converge(wanted)).toMatchObject({ seeded: commit });
  expect(await converge(wanted)).toMatchObject({ seeded: commit, status: "seeded" });
});

test("a further commit is a fast-forward", async () => {
  bench.user.commit("one");
  const state = await converge(bench.user.inputs());
  const commit = bench.user.commit("two");
  const wanted = bench.user.inputs();
  expect(await explained(wanted, state)).toBe(
    `platform/cluster: ${commit.slice(0, 12)} is pushed to main`,
  );
  expect(await converge(wanted, state)).toMatchObject({ seeded: commit });
  expect(headOf()).toBe(commit);
});

test("a branch that is ahead is reported, is no drift, and stays as it is", async () => {
  const commit = bench.user.commit("one");
  const wanted = bench.user.inputs();
  const state = await converge(wanted);
  const ahead = pushedByOthers("theirs");
  expect(await observe(wanted, state)).toEqual(state);
  expect(await converge(wanted, state)).toEqual({ status: "seeded", seeded: commit });
  expect(headOf()).toBe(ahead);
  expect(said.join("\n")).toMatch(/warning: .*main at \w{12} is ahead .* nothing is pushed/);
});

test("a branch that has diverged is refused with both commits, and never forced", async () => {
  bench.user.commit("one");
  const state = await converge(bench.user.inputs());
  const theirs = pushedByOthers("theirs");
  const ours = bench.user.commit("ours");
  const wanted = bench.user.inputs();
  const failure = await converge(wanted, state).catch(String);
  expect(failure).toContain(theirs);
  expect(failure).toContain(ours);
  expect(failure).toMatch(/have diverged; nothing was pushed\n.*merge it/);
  expect(headOf()).toBe(theirs);
});

test("a repository with unrelated content is not taken over", async () => {
  bench.user.commit("theirs");
  await converge(bench.user.inputs());
  const theirs = headOf();
  bench.user.git("checkout", "--quiet", "--orphan", "other");
  bench.user.commit("ours");
  await expect(converge(bench.user.inputs())).rejects.toThrow(/diverged/);
  expect(headOf()).toBe(theirs);
});

test("a server that has lost its volume is seeded again", async () => {
  const commit = bench.user.commit("one");
  const wanted = bench.user.inputs();
  const state = await converge(wanted);
  bench.gitea.lose();
  const seen = await observe(wanted, state);
  expect(seen).toMatchObject({ status: "absent" });
  expect(seen && gitSeed.drift(seen, wanted)).toEqual(["status"]);
  expect(await converge(wanted, seen)).toMatchObject({ seeded: commit, status: "seeded" });
});

test("a protected branch, a wrong password and a silent server are one clear error", async () => {
  bench.user.commit("one");
  const state = await converge(bench.user.inputs());
  bench.user.commit("two");
  bench.gitea.protect("platform/cluster", "main");
  await expect(converge(bench.user.inputs(), state)).rejects.toThrow(
    /it is protected[^]*\n {2}Allow pushes of gitops/,
  );
  await expect(observe(bench.user.inputs({ password: "wrong-canary" }), state)).rejects.toThrow(
    /^gitea\/gitea-http: the Git server rejects the password of gitops\n.*giteaPassword/,
  );
  bench.cluster.isReady = false;
  await expect(observe(bench.user.inputs(), state)).rejects.toThrow(
    /gitea\/gitea-http is unavailable: none of its pods is ready\n.*get pods/,
  );
  // Before its creation, nothing is known of it.
  expect(await observe(bench.user.inputs())).toBeUndefined();
});

test("waits until konnectivity has an agent", async () => {
  const commit = bench.user.commit("one");
  bench.cluster.refusals = 2;
  expect(
    await gitSeed.converge(context(), bench.user.inputs(), undefined, undefined),
  ).toMatchObject({ seeded: commit });
  expect(said).toContain("status: waiting for the Git server gitea/gitea-http");
});

test("uses neither hooks nor the configuration of the user, and shows no password", async () => {
  const hook = join(bench.user.path, ".git", "hooks", "pre-push");
  mkdirSync(join(hook, ".."), { recursive: true });
  writeFileSync(hook, `#!/bin/sh\necho ran >'${bench.directory}/hook'\n`);
  chmodSync(hook, 0o755);
  bench.user.git("config", "credential.helper", `!echo ran >'${bench.directory}/helper'`);
  bench.user.git("config", "http.proxy", "http://127.0.0.1:1");
  bench.user.git("config", "remote.pushDefault", "nowhere");
  bench.user.commit("one");
  const before = readFileSync(join(bench.user.path, ".git", "config"), "utf8");
  const state = await converge(bench.user.inputs());
  expect(() => readFileSync(join(bench.directory, "hook"))).toThrow();
  expect(() => readFileSync(join(bench.directory, "helper"))).toThrow();
  expect(readFileSync(join(bench.user.path, ".git", "config"), "utf8")).toBe(before);
  expect(JSON.stringify([state, said])).not.toContain(PASSWORD);
});

test("a shallow clone is refused, with the remedy", async () => {
  bench.user.commit("one");
  bench.user.commit("two");
  const clone = join(bench.directory, "clone");
  bench.user.git("clone", "--quiet", "--depth=1", `file://${bench.user.path}`, clone);
  const wanted = bench.user.inputs({ directory: clone });
  await expect(converge(wanted)).rejects.toThrow(/is a shallow clone[^]*fetch-depth: 0/);
});

test("says what a push leaves out", async () => {
  bench.user.commit("one");
  bench.user.commit("*.bin filter=lfs diff=lfs merge=lfs", "gitops/.gitattributes");
  const head = bench.user.head();
  bench.user.git("update-index", "--add", "--cacheinfo", `160000,${head},gitops/module`);
  bench.user.git("commit", "--quiet", "--message", "module");
  await explained(bench.user.inputs());
  expect(said.filter((line) => line.startsWith("warning"))).toEqual([
    "warning: platform/cluster: the submodule gitops/module: only its commit is pushed",
    "warning: platform/cluster: the files that gitops/.gitattributes keeps in LFS: only their " +
      "pointers are pushed",
  ]);
});

describe("the lifecycle", () => {
  const bound = bind(gitSeed);
  const values = (more: object = {}): ValueMap => ({
    ...bench.user.inputs(more),
    password: new Secret(PASSWORD),
  });

  test("another commit of equal content, or another checkout, is no change", async () => {
    bench.user.commit("one");
    const news = values();
    const state: ValueMap = { ...news, status: "seeded", seeded: "a" };
    const moved = { ...news, commit: "b".repeat(40), directory: "/elsewhere" };
    expect([...bound.diff(state, news, moved, []).keys()]).toEqual([]);
    const changed = { ...moved, content: "c".repeat(40) };
    expect([...bound.diff(state, news, changed, []).keys()].sort()).toEqual([
      "commit",
      "content",
      "directory",
    ]);
    await Promise.resolve();
  });

  test("a preview does not know the head, and makes nothing", async () => {
    bench.user.commit("one");
    const { properties } = await bound.create(context(), values(), true);
    expect(properties["seeded"]).toBe(UNKNOWN);
    expect(properties["password"]).toEqual(new Secret(PASSWORD));
    expect(bench.gitea.requests.filter((one) => !one.startsWith("GET"))).toEqual([]);
  });

  test("rejects what is no repository, branch or commit", () => {
    bench.user.commit("one");
    const faults = bound
      .check(values({ repository: "../x", branch: "--force", commit: "HEAD" }), undefined)
      .faults.map(({ property }) => property);
    expect(faults.sort()).toEqual(["branch", "commit", "repository"]);
  });
});
