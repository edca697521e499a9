/**
 * An HTTP server with the endpoints of a forge that the program uses, after the documentation of
 * GitHub's REST API (issue comments: pages of `per_page`, header Link) and of Gitea's and Forgejo's
 * (the same paths under /api/v1: all comments of an issue in one answer, without a header Link; the
 * pull request of a commit at /pull). It leaves out everything else.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

export interface FakeComment {
  id: number;
  issue: number;
  body: string;
  user: { login: string };
}
export interface FakeIssue {
  number: number;
  title: string;
  body: string;
  state: string;
  user: { login: string };
}
export interface FakePull {
  number: number;
  merged_at: string | null;
  merge_commit_sha: string | null;
}

export type Kind = "github" | "gitea";

const bodySchema = z.object({
  body: z.string().optional(),
  title: z.string().optional(),
  state: z.string().optional(),
});

export class FakeForge {
  readonly requests: string[] = [];
  readonly authorizations = new Set<string>();
  comments: FakeComment[] = [];
  issues: FakeIssue[] = [];
  /** Commit -> its pull requests. */
  pulls: Record<string, FakePull[]> = {};
  /** Answers that come before those of the forge: a status for each request. */
  failures: number[] = [];
  /** Whose token it is. */
  login: string;
  private nextId = 1000;

  private constructor(
    readonly kind: Kind,
    private readonly server: Server,
  ) {
    this.login = kind === "github" ? "github-actions[bot]" : "gitea-actions";
  }

  static async start(kind: Kind): Promise<FakeForge> {
    const server = createServer();
    const forge = new FakeForge(kind, server);
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void forge.answer(request, response);
    });
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    return forge;
  }

  get apiUrl(): string {
    const address = this.server.address();
    const { port } = isAddress(address) ? address : { port: 0 };
    return `http://127.0.0.1:${port}${this.kind === "github" ? "" : "/api/v1"}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  comment(issue: number, login: string, body: string): FakeComment {
    const comment = { id: this.nextId, issue, body, user: { login } };
    this.nextId += 1;
    this.comments.push(comment);
    return comment;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.apiUrl);
    const path = url.pathname.replace("/api/v1", "");
    this.requests.push(`${request.method ?? ""} ${path}`);
    this.authorizations.add(request.headers.authorization ?? "");
    const chunks: Buffer[] = [];
    for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = bodySchema.parse(text === "" ? {} : JSON.parse(text));
    const failure = this.failures.shift();
    const { status, data, headers } =
      failure === undefined || failure === 0
        ? this.route(request.method ?? "", path, url, body)
        : { status: failure, data: { message: "as the test wants it" }, headers: {} };
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(data));
  }

  private route(
    method: string,
    path: string,
    url: URL,
    body: z.infer<typeof bodySchema>,
  ): { status: number; data: unknown; headers: Record<string, string> } {
    const plain = (status: number, data: unknown) => ({ status, data, headers: {} });
    if (path === "/user") {
      // A token of GitHub Actions is one of an app, which is no user.
      if (this.kind === "github") {
        return plain(403, { message: "Resource not accessible by integration" });
      }
      return plain(200, { login: this.login });
    }
    const [, rest] = /^\/repos\/me\/site(\/.*)$/.exec(path) ?? [];
    if (rest === undefined) return plain(404, { message: "Not Found" });
    const [, issue] = /^\/issues\/(\d+)\/comments$/.exec(rest) ?? [];
    if (issue !== undefined && method === "GET") {
      const all = this.comments.filter((one) => one.issue === Number(issue));
      return this.kind === "github" ? this.page(all, url) : plain(200, all);
    }
    if (issue !== undefined && method === "POST") {
      return plain(201, this.comment(Number(issue), this.login, body.body ?? ""));
    }
    const [, comment] = /^\/issues\/comments\/(\d+)$/.exec(rest) ?? [];
    if (comment !== undefined && method === "PATCH") {
      const found = this.comments.find(({ id }) => id === Number(comment));
      if (found === undefined) return plain(404, { message: "Not Found" });
      found.body = body.body ?? found.body;
      return plain(200, found);
    }
    if (rest === "/issues" && method === "GET") {
      return this.page(
        this.issues.filter(({ state }) => state === "open"),
        url,
      );
    }
    if (rest === "/issues" && method === "POST") {
      const { title = "", body: text = "" } = body;
      const user = { login: this.login };
      const made = { number: this.issues.length + 1, title, body: text, state: "open", user };
      this.issues.push(made);
      return plain(201, made);
    }
    const [, number] = /^\/issues\/(\d+)$/.exec(rest) ?? [];
    if (number !== undefined && method === "PATCH") {
      const found = this.issues.find((one) => one.number === Number(number));
      if (found === undefined) return plain(404, { message: "Not Found" });
      Object.assign(found, body);
      return plain(200, found);
    }
    const [, sha = "", what] = /^\/commits\/([^/]+)\/(pulls?)$/.exec(rest) ?? [];
    const pulls = this.pulls[sha] ?? [];
    if (what === "pulls" && this.kind === "github") return plain(200, pulls);
    if (what === "pull" && this.kind === "gitea" && pulls[0] !== undefined) {
      return plain(200, pulls[0]);
    }
    return plain(404, { message: "Not Found" });
  }

  /** Both kinds page lists of issues, and name the next page in the header Link. */
  private page(
    all: unknown[],
    url: URL,
  ): { status: number; data: unknown; headers: Record<string, string> } {
    const size = Number(url.searchParams.get(this.kind === "github" ? "per_page" : "limit") ?? 30);
    const page = Number(url.searchParams.get("page") ?? 1);
    const data = all.slice((page - 1) * size, page * size);
    if (page * size >= all.length) return { status: 200, data, headers: {} };
    const next = new URL(url);
    next.searchParams.set("page", String(page + 1));
    const last = new URL(url);
    last.searchParams.set("page", String(Math.ceil(all.length / size)));
    const link = `<${next.href}>; rel="next", <${last.href}>; rel="last"`;
    return { status: 200, data, headers: { link } };
  }
}

function isAddress(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
