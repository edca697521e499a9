/** The Git repository that has the GitOps tree: what of it is pushed to the cluster. */
import * as pulumi from "../pulumi";
import { runCommand } from "./tree/commands";

export interface SiteRepository {
  commit: string;
  /** The tree of the commit. Commits of equal content have the same one. */
  content: string;
  /** Why it can't be pushed as it is, each with its remedy. */
  faults: string[];
}

/**
 * Reads the checkout that `directory` is in. Its faults are warnings in a preview, since a pull
 * request has no branch, and an error in an `up`.
 */
export async function readRepository(directory: string): Promise<SiteRepository> {
  const repository = await inspectRepository(directory);
  const { faults } = repository;
  if (faults.length === 0) return repository;
  const text = `${directory} can't be pushed to the cluster: ${faults.join("; ")}`;
  if (!pulumi.isDryRun()) throw new pulumi.RunError(text);
  void pulumi.log.warn(`${text}. An up is refused`);
  return repository;
}

export async function inspectRepository(directory: string): Promise<SiteRepository> {
  const git = runner(directory);
  const [commit, content, shallow, branch, changed, partial] = await Promise.all([
    git("rev-parse", "--verify", "HEAD^{commit}"),
    git("rev-parse", "--verify", "HEAD^{tree}"),
    git("rev-parse", "--is-shallow-repository"),
    git("branch", "--show-current"),
    git("status", "--porcelain", "--untracked-files=normal", "--", "."),
    git("config", "--get-regexp", String.raw`^remote\..*\.promisor$`).catch(() => ""),
  ]).catch((error: unknown) => {
    throw new pulumi.RunError(noRepository(directory, error));
  });
  const first = changed.split("\n")[0] ?? "";
  return {
    commit,
    content,
    faults: [
      ...(changed === "" ? [] : [`it has uncommitted changes (${first.trim()}): commit them`]),
      ...(branch === "" ? ["its HEAD is detached: check out a branch"] : []),
      ...(shallow === "true"
        ? ["it is a shallow clone: git fetch --unshallow, or fetch-depth: 0 of actions/checkout"]
        : []),
      ...(partial === "" ? [] : ["it is a partial clone: make a full one"]),
    ],
  };
}

function runner(directory: string): (...args: string[]) => Promise<string> {
  return async (...args) => {
    const all = ["--no-optional-locks", "-C", directory, ...args];
    return (await runCommand("git", all, { environment: { LC_ALL: "C" } })).trimEnd();
  };
}

function noRepository(directory: string, error: unknown): string {
  const said = error instanceof Error ? ` (${error.message})` : "";
  return (
    `${directory} is in no Git repository with a commit, so it can't be pushed to the cluster` +
    `${said}. Install Git, and commit the GitOps tree`
  );
}
