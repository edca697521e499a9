/** What the program reads of the repository that has the GitOps tree. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunError } from "@pulumi/pulumi/errors";
import * as log from "@pulumi/pulumi/log";
import * as settings from "@pulumi/pulumi/runtime/settings";
import { inspectRepository, readRepository } from "../../../../components/gitops/repository";

let directory: string;
let tree: string;
const git = (...args: string[]): string => {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" };
  const options = { cwd: directory, encoding: "utf8", env, stdio: "pipe" } as const;
  const identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
  return execFileSync("git", [...identity, ...args], options).trim();
};
const write = (file: string, text: string): void => writeFileSync(join(directory, file), text);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-repository-"));
  tree = join(directory, "gitops");
  mkdirSync(tree);
  git("init", "--quiet", "--initial-branch=main", ".");
  write("gitops/a.yaml", "a: 1\n");
  git("add", "--all");
  git("commit", "--quiet", "--message=one");
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

test("reads commit and content, and has no fault of files outside the tree", async () => {
  write("site.yaml", "x");
  expect(await inspectRepository(tree)).toEqual({
    commit: git("rev-parse", "HEAD"),
    content: git("rev-parse", "HEAD^{tree}"),
    faults: [],
  });
});

test("commits of equal content have the same content", async () => {
  const { commit, content } = await inspectRepository(tree);
  git("commit", "--quiet", "--allow-empty", "--message=two");
  const after = await inspectRepository(tree);
  expect(after.content).toBe(content);
  expect(after.commit).not.toBe(commit);
});

test.each<[string, () => void, RegExp]>([
  ["a changed file", () => write("gitops/a.yaml", "a: 2\n"), /uncommitted .*a\.yaml.*: commit/],
  ["a new file", () => write("gitops/b.yaml", "b: 1\n"), /uncommitted changes \(\?\? .*b\.yaml/],
  ["a detached HEAD", () => git("checkout", "--quiet", "--detach"), /detached: check out a branch/],
  [
    "a partial clone",
    () => git("config", "remote.origin.promisor", "true"),
    /partial clone: make a full one/,
  ],
])("%s is a fault with its remedy", async (_, make, expected) => {
  make();
  const { faults } = await inspectRepository(tree);
  expect(faults.join()).toMatch(expected);
});

test("a shallow clone is a fault with its remedy", async () => {
  git("commit", "--quiet", "--allow-empty", "--message=two");
  const clone = join(directory, "clone");
  git("clone", "--quiet", "--depth=1", `file://${directory}`, clone);
  const { faults } = await inspectRepository(join(clone, "gitops"));
  expect(faults.join()).toMatch(/shallow clone: git fetch --unshallow, or fetch-depth: 0/);
});

test("a directory in no repository, and one without a commit, are one clear error", async () => {
  rmSync(join(directory, ".git"), { recursive: true });
  await expect(inspectRepository(tree)).rejects.toThrow(/is in no Git repository with a commit/);
  git("init", "--quiet", ".");
  await expect(inspectRepository(tree)).rejects.toThrow(/is in no Git repository with a commit/);
});

test("faults are a warning in a preview, and an error in an up", async () => {
  git("checkout", "--quiet", "--detach");
  const warn = jest.spyOn(log, "warn").mockResolvedValue();
  const isDryRun = jest.spyOn(settings, "isDryRun").mockReturnValue(true);
  expect((await readRepository(tree)).faults).toHaveLength(1);
  expect(warn.mock.calls[0]?.[0]).toMatch(/can't be pushed.*detached.*An up is refused/);
  isDryRun.mockReturnValue(false);
  await expect(readRepository(tree)).rejects.toThrow(RunError);
});
