/**
 * The commits of the user's repository, and how the server's branch relates to them. Works in a
 * private repository that borrows the objects: neither the configuration of the user's repository
 * nor its hooks apply, and nothing is written there.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ProviderError, messageOf } from "../../errors";
import type { Call } from "../../hosts/operations/operation";
import { withPrivateDirectory } from "../../hosts/nix/privateDirectory";
import { printable } from "../../hosts/transport/printable";
import type { Git } from "./gitProcess";
import { Git as GitPrograms } from "./gitProcess";
import { wrongPassword } from "./gitServer";
import type { GitServer, Repository } from "./gitServer";
import { withLocalPort } from "../localPort";

/** What a push of the commit would do to the server's branch. */
export type Relation = "equal" | "behind" | "ahead" | "diverged";

export interface Source {
  /** A directory in the user's repository. */
  directory: string;
  commit: string;
}

export interface Destination {
  server: GitServer;
  repository: Repository;
  branch: string;
}

/** A private repository with the user's objects. */
export class Commits {
  private constructor(
    private readonly git: Git,
    private readonly bare: string,
    private readonly commit: string,
  ) {}

  static async with<T>(
    call: Call,
    { directory, commit }: Source,
    account: GitServer["account"] | undefined,
    work: (commits: Commits) => Promise<T>,
  ): Promise<T> {
    await refuseIncomplete(directory);
    const objects = await fromRepository(directory, ["--git-path", "objects"]);
    return withPrivateDirectory(async (path) => {
      const git = new GitPrograms(path, account);
      const bare = join(path, "repository.git");
      const doing = "making a private Git repository";
      await git.require(call, doing, ["init", "--quiet", "--bare", "--template=", bare]);
      mkdirSync(join(bare, "objects", "info"), { recursive: true });
      writeFileSync(join(bare, "objects", "info", "alternates"), `${objects}\n`);
      const commits = new Commits(git, bare, commit);
      await commits.requireCommit(call, directory);
      return work(commits);
    });
  }

  private async requireCommit(call: Call, directory: string): Promise<void> {
    if (await this.has(call, this.commit)) return;
    throw new ProviderError(
      "input",
      `${directory}: its repository does not have the commit ${this.commit}`,
      "Run up in the checkout that the program read.",
    );
  }

  private async has(call: Call, commit: string): Promise<boolean> {
    const { code } = await this.run(call, "looking for a commit", [
      "cat-file",
      "-e",
      `${commit}^{commit}`,
    ]);
    return code === 0;
  }

  /** Fetches the branch if its commit is not known here. */
  async relation(call: Call, to: Destination, head: string): Promise<Relation> {
    if (head === this.commit) return "equal";
    if (!(await this.has(call, head))) await this.fetch(call, to);
    if (await this.isAncestor(call, head, this.commit)) return "behind";
    return (await this.isAncestor(call, this.commit, head)) ? "ahead" : "diverged";
  }

  private async isAncestor(call: Call, ancestor: string, descendant: string): Promise<boolean> {
    const { code, stderr } = await this.run(call, "comparing commits", [
      "merge-base",
      "--is-ancestor",
      ancestor,
      descendant,
    ]);
    if (code === 0 || code === 1) return code === 0;
    throw new ProviderError(
      "operation",
      `the commits ${ancestor} and ${descendant} can't be compared:\n${stderr}`,
    );
  }

  private async fetch(call: Call, to: Destination): Promise<void> {
    const { branch, server } = to;
    call.status(`fetching ${branch} of the Git server`);
    await this.remote(call, to, `${server.title}: fetching ${branch}`, (url) => [
      "fetch",
      "--quiet",
      "--no-tags",
      url,
      `+refs/heads/${branch}:refs/remotes/server/${branch}`,
    ]);
  }

  /** Fast-forward only: Git refuses another push. */
  async push(call: Call, to: Destination): Promise<void> {
    const { branch, server } = to;
    call.status(`pushing ${this.commit.slice(0, 12)} to ${branch}`);
    await this.remote(call, to, `${server.title}: pushing to ${branch}`, (url) => [
      "push",
      "--quiet",
      "--no-verify",
      url,
      `${this.commit}:refs/heads/${branch}`,
    ]);
  }

  private remote(
    call: Call,
    { server, repository }: Destination,
    doing: string,
    args: (url: string) => readonly string[],
  ): Promise<void> {
    const { owner, name } = repository;
    return withLocalPort(server.streams, call, async (port) => {
      const url = `http://127.0.0.1:${port}/${owner}/${name}.git`;
      const { code, stderr } = await this.run(call, doing, args(url));
      if (code !== 0) throw remoteFailure(server, doing, stderr);
    });
  }

  /** What a push leaves out: objects of LFS, and the repositories of submodules. */
  async leftOut(call: Call): Promise<string[]> {
    const doing = "looking for submodules and LFS";
    const listed = await this.git.require(call, doing, this.in("ls-tree", "-r", this.commit));
    const submodules = listed
      .split("\n")
      .flatMap((line) => /^160000 commit \S+\t(.+)$/.exec(line)?.[1] ?? []);
    const { stdout } = await this.run(call, doing, [
      ...["grep", "-l", "-E", "[[:space:]]filter=lfs", this.commit, "--", "*.gitattributes"],
    ]);
    const lfs = stdout.trim() === "" ? [] : stdout.trim().split("\n");
    return [
      ...submodules.map((path) => `the submodule ${printable(path)}: only its commit is pushed`),
      ...lfs.map((file) => {
        const [, path = file] = file.split(/:(.*)/s);
        return `the files that ${printable(path)} keeps in LFS: only their pointers are pushed`;
      }),
    ];
  }

  private run(call: Call, doing: string, args: readonly string[]) {
    return this.git.run(call, doing, this.in(...args));
  }

  private in(...args: readonly string[]): string[] {
    return [`--git-dir=${this.bare}`, ...args];
  }
}

/** With the user's own configuration, which may say that the repository can be trusted. */
async function fromRepository(directory: string, question: readonly string[]): Promise<string> {
  const args = ["-C", directory, "rev-parse", "--path-format=absolute", ...question];
  try {
    const { stdout } = await promisify(execFile)("git", args, { encoding: "utf8" });
    return stdout.trimEnd();
  } catch (error) {
    throw new ProviderError(
      "input",
      `${directory}: its Git repository can't be read: ${printable(messageOf(error)).trim()}`,
      "Run up on a machine that has the checkout of the site's repository.",
    );
  }
}

/** Neither can be compared with another branch, nor pushed. */
async function refuseIncomplete(directory: string): Promise<void> {
  if ((await fromRepository(directory, ["--is-shallow-repository"])) !== "true") return;
  throw new ProviderError(
    "input",
    `${directory}: its repository is a shallow clone, so its history can't be pushed`,
    "Run git fetch --unshallow. For actions/checkout, set fetch-depth: 0.",
  );
}

/** What Git says about a server that refuses. `LC_ALL=C` makes it the same everywhere. */
function remoteFailure(server: GitServer, doing: string, stderr: string): ProviderError {
  if (/Authentication failed|could not read (Username|Password)/.test(stderr)) {
    return wrongPassword(server.title, server.account.user);
  }
  if (/protected branch/i.test(stderr)) {
    return new ProviderError(
      "operation",
      `${doing}: it is protected, and ${server.account.user} may not push to it:\n${stderr}`,
      `Allow pushes of ${server.account.user} in the settings of the repository.`,
    );
  }
  if (/non-fast-forward|fetch first|failed to update ref|cannot lock ref/.test(stderr)) {
    return new ProviderError(
      "stale",
      `${doing}: somebody has pushed meanwhile:\n${stderr}`,
      "Run up again.",
    );
  }
  return new ProviderError("operation", `${doing} failed:\n${stderr}`);
}
