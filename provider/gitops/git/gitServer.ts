/**
 * The Git server in the cluster over HTTP: Git's own list of heads, and the calls of Gitea's API
 * (v1) that make a repository. Its requests can be repeated.
 */
import { Agent, request as httpRequest } from "node:http";
import { PassThrough } from "node:stream";
import { z } from "zod";
import { readAll } from "../../cluster/kube/connection";
import type { ApiAnswer } from "../../cluster/kube/connection";
import { ProviderError, asError, messageOf } from "../../errors";
import { printable } from "../../hosts/transport/printable";
import { Wait, within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import type { Streams } from "../localPort";

const REQUEST_SECONDS = 60;

export interface Account {
  user: string;
  password: string;
}

/** OWNER/NAME */
export interface Repository {
  owner: string;
  name: string;
}

export const repositoryOf = (text: string): Repository => {
  const [owner = "", name = ""] = text.split("/");
  return { owner, name };
};

/** Keeps streams that are no sockets, such as port-forwards. The default methods need sockets. */
class StreamAgent extends Agent {
  override keepSocketAlive(): boolean {
    return true;
  }

  override reuseSocket(): void {
    // A stream has nothing to reference again.
  }
}

export class GitServer {
  private readonly agent: Agent;

  constructor(
    /** For messages. */
    readonly title: string,
    readonly streams: Streams,
    readonly account: Account,
    private readonly limits: Limits,
  ) {
    const agent = new StreamAgent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = (_options, done) => {
      streams.open(within(limits, REQUEST_SECONDS)).then(
        (stream) => done?.(null, stream),
        // The types require a stream also with an error. Node ignores it.
        (error: unknown) => done?.(asError(error), new PassThrough()),
      );
      return undefined;
    };
    this.agent = agent;
  }

  close(): void {
    this.agent.destroy();
  }

  /** Branch -> commit. Undefined: the repository does not exist. */
  async heads({ owner, name }: Repository): Promise<Map<string, string> | undefined> {
    const path = `/${owner}/${name}.git/info/refs?service=git-upload-pack`;
    const answer = await this.request("GET", path);
    if (answer.status === 404) return undefined;
    this.require(answer, `reading the branches of ${owner}/${name}`);
    return parseHeads(answer.body);
  }

  /** Makes the repository, and its owner as an organization, unless they exist. */
  async ensureRepository(repository: Repository, branch: string): Promise<void> {
    const { owner, name } = repository;
    if ((await this.get(`repos/${owner}/${name}`)) !== undefined) return;
    const isOwn = owner.toLowerCase() === this.account.user.toLowerCase();
    if (!isOwn) await this.ensureOrganization(owner);
    const body = { name, private: true, auto_init: false, default_branch: branch };
    const path = isOwn ? "user/repos" : `orgs/${owner}/repos`;
    await this.make(path, body, `repos/${owner}/${name}`);
  }

  /** Is `ancestor` in the history of `head`? False also if the server has no such commit. */
  async isAncestor({ owner, name }: Repository, ancestor: string, head: string): Promise<boolean> {
    const compared = await this.get(`repos/${owner}/${name}/compare/${head}...${ancestor}`);
    if (compared === undefined) return false;
    return z.looseObject({ total_commits: z.number() }).parse(compared).total_commits === 0;
  }

  private async ensureOrganization(owner: string): Promise<void> {
    if ((await this.get(`orgs/${owner}`)) !== undefined) return;
    const body = { username: owner, visibility: "private" };
    await this.make("orgs", body, `orgs/${owner}`);
  }

  private async get(path: string): Promise<unknown> {
    const answer = await this.request("GET", `/api/v1/${path}`);
    if (answer.status === 404) return undefined;
    this.require(answer, `reading ${path}`);
    return JSON.parse(answer.body);
  }

  /** Another run may have made it. Gitea answers 409 or 422 then, and 422 to bad names. */
  private async make(path: string, body: object, made: string): Promise<void> {
    const answer = await this.request("POST", `/api/v1/${path}`, JSON.stringify(body));
    const mayExist = [409, 422].includes(answer.status);
    if (mayExist && (await this.get(made)) !== undefined) return;
    this.require(answer, `making ${made}`);
  }

  private require({ status, body }: ApiAnswer, doing: string): void {
    if (status >= 200 && status < 300) return;
    const { title, account } = this;
    if (status === 401) throw wrongPassword(title, account.user);
    const said = printable(messageIn(body)).slice(0, 200);
    throw new ProviderError(
      "operation",
      `${title}: ${doing} failed: HTTP status ${status}${said === "" ? "" : `: ${said}`}`,
      status === 403
        ? `Give the user ${account.user} rights on the repository, or use another user.`
        : undefined,
    );
  }

  private async request(method: string, path: string, body?: string): Promise<ApiAnswer> {
    const limits = within(this.limits, REQUEST_SECONDS);
    const wait = new Wait(this.title, {
      ...limits,
      deadline: Math.min(limits.deadline, this.limits.deadline),
    });
    wait.doing = () => "waiting for the Git server";
    const { user, password } = this.account;
    const credentials = Buffer.from(`${user}:${password}`).toString("base64");
    const headers = {
      Authorization: `Basic ${credentials}`,
      ...(body !== undefined && { "Content-Type": "application/json" }),
    };
    const { agent } = this;
    const answered = new Promise<ApiAnswer>((resolve, reject) => {
      const options = { agent, host: "git", method, path, headers, signal: wait.signal };
      const sent = httpRequest(options, (response) => {
        readAll(response).then(resolve, reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
    return wait.until(answered).catch((error: unknown) => {
      if (error instanceof ProviderError) throw error;
      throw new ProviderError(
        "unreachable",
        `${this.title}: the Git server does not answer: ${printable(messageOf(error))}`,
      );
    });
  }
}

export function wrongPassword(title: string, user: string): ProviderError {
  return new ProviderError(
    "authentication",
    `${title}: the Git server rejects the password of ${user}`,
    "Set the password that the server has: pulumi config set --secret giteaPassword.",
  );
}

function messageIn(body: string): string {
  try {
    const parsed = z.looseObject({ message: z.string() }).safeParse(JSON.parse(body));
    return parsed.data?.message ?? "";
  } catch {
    return body.trim();
  }
}

const HEADS = "refs/heads/";

/**
 * Branches in the answer of a Git server: pkt-lines of `COMMIT REF`, the first with capabilities
 * behind a NUL (gitprotocol-http(5), gitprotocol-pack(5)). Pure.
 */
export function parseHeads(body: string): Map<string, string> {
  const heads = new Map<string, string>();
  // Lengths count bytes.
  const bytes = Buffer.from(body).toString("latin1");
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = Number.parseInt(bytes.slice(at, at + 4), 16);
    if (Number.isNaN(length)) break;
    const line = length < 4 ? "" : bytes.slice(at + 4, at + length);
    at += Math.max(4, length);
    const [, commit, ref] = /^([0-9a-f]{40,64}) ([^\0\n]+)/.exec(line) ?? [];
    if (commit === undefined || ref?.startsWith(HEADS) !== true) continue;
    heads.set(Buffer.from(ref.slice(HEADS.length), "latin1").toString(), commit);
  }
  return heads;
}
