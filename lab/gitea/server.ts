/**
 * A stand-in for Gitea: `git http-backend` behind HTTP with a password, and the calls of Gitea's
 * API (v1) that the provider makes. Left out: everything else of the API, rights (each user may do
 * everything), tokens, SSH, LFS, web pages, and limits. A protected branch refuses all pushes, with
 * Gitea's words.
 */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { join } from "node:path";
import { z } from "zod";

export interface GiteaOptions {
  /** Of the repositories: OWNER/NAME.git. */
  directory: string;
  /** User -> password. */
  users: Readonly<Record<string, string>>;
}

const created = z.looseObject({
  name: z.string().default(""),
  username: z.string().default(""),
  default_branch: z.string().default("main"),
});

type Answer = [status: number, body: object];
const NOT_FOUND: Answer = [404, { message: "not found" }];

export class GiteaStandIn {
  /** `GET /api/v1/...`, in their order. */
  readonly requests: string[] = [];
  private readonly organizations = new Set<string>();
  private readonly server: Server;

  constructor(private readonly options: GiteaOptions) {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500);
        response.end(JSON.stringify({ message: String(error) }));
      });
    });
  }

  /** The port. */
  async listen(port = 0, address = "127.0.0.1"): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, address, resolve));
    const bound = this.server.address();
    return typeof bound === "object" && bound !== null ? bound.port : 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  pathOf(repository: string): string {
    return join(this.options.directory, `${repository}.git`);
  }

  create(repository: string, branch = "main"): string {
    const path = this.pathOf(repository);
    mkdirSync(path, { recursive: true });
    const init = ["init", "--quiet", "--bare", "--template=", `--initial-branch=${branch}`, path];
    execFileSync("git", init);
    execFileSync("git", ["-C", path, "config", "http.receivepack", "true"]);
    return path;
  }

  /** Pushes to the branch fail as in Gitea. */
  protect(repository: string, branch: string): void {
    const hooks = join(this.pathOf(repository), "hooks");
    mkdirSync(hooks, { recursive: true });
    const file = join(hooks, "pre-receive");
    writeFileSync(file, hook(branch));
    chmodSync(file, 0o755);
  }

  /** As after the loss of its volume. */
  lose(): void {
    rmSync(this.options.directory, { recursive: true });
    mkdirSync(this.options.directory);
    this.organizations.clear();
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? "/", "http://git");
    this.requests.push(`${request.method ?? ""} ${pathname}`);
    const user = this.userOf(request);
    if (user === undefined) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="Gitea"' });
      response.end(JSON.stringify({ message: "user's password is invalid" }));
      return;
    }
    if (!pathname.startsWith("/api/v1/")) {
      this.serveGit(request, response, user, pathname, search);
      return;
    }
    const [status, body] = this.api(request, pathname.slice(8), await bodyOf(request), user);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  }

  private userOf({ headers }: IncomingMessage): string | undefined {
    const [, credentials = ""] = /^Basic (.+)$/.exec(headers.authorization ?? "") ?? [];
    const [user = "", ...password] = Buffer.from(credentials, "base64").toString().split(":");
    return this.options.users[user] === password.join(":") ? user : undefined;
  }

  private api({ method = "" }: IncomingMessage, path: string, body: string, user: string): Answer {
    const [kind = "", owner = "", name = "", action = "", ...rest] = path.split("/");
    const given = created.parse(body === "" ? {} : JSON.parse(body));
    switch (`${method} ${kind}`) {
      case "GET repos":
        if (!existsSync(this.pathOf(`${owner}/${name}`))) return NOT_FOUND;
        if (action === "compare") return this.compare(`${owner}/${name}`, rest.join("/"));
        return [200, { full_name: `${owner}/${name}` }];
      case "GET orgs":
        return this.organizations.has(owner) ? [200, { username: owner }] : NOT_FOUND;
      case "POST orgs":
        if (name === "repos") return this.make(owner, given);
        if (this.organizations.has(given.username))
          return [422, { message: "user already exists" }];
        this.organizations.add(given.username);
        return [201, { username: given.username }];
      case "POST user":
        return this.make(user, given);
      default:
        return NOT_FOUND;
    }
  }

  private make(owner: string, { name, default_branch: branch }: z.infer<typeof created>): Answer {
    const isUser = this.options.users[owner] !== undefined;
    if (!isUser && !this.organizations.has(owner)) return NOT_FOUND;
    if (existsSync(this.pathOf(`${owner}/${name}`))) return [409, { message: "already exists" }];
    this.create(`${owner}/${name}`, branch);
    return [201, { full_name: `${owner}/${name}` }];
  }

  /** Commits that the second has and the first has not. */
  private compare(repository: string, commits: string): Answer {
    const [base = "", head = ""] = commits.split("...");
    try {
      const args = ["-C", this.pathOf(repository), "rev-list", "--count", `${base}..${head}`];
      const count = execFileSync("git", args, { encoding: "utf8", stdio: "pipe" });
      return [200, { total_commits: Number(count) }];
    } catch {
      return NOT_FOUND;
    }
  }

  private serveGit(
    request: IncomingMessage,
    response: ServerResponse,
    user: string,
    path: string,
    search: string,
  ): void {
    const child = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env["PATH"] ?? "",
        GIT_PROJECT_ROOT: this.options.directory,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        PATH_INFO: path,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method ?? "",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        REMOTE_USER: user,
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin.on("error", () => undefined);
    request.pipe(child.stdin);
    let head = Buffer.alloc(0);
    child.stdout.on("data", (chunk: Buffer) => {
      if (response.headersSent) {
        response.write(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      writeHeaders(response, head.subarray(0, end).toString());
      response.write(head.subarray(end + 4));
    });
    child.stdout.on("end", () => response.end());
  }
}

/** A CGI program's headers. */
function writeHeaders(response: ServerResponse, text: string): void {
  const headers = text.split("\r\n").map((line): [string, string] => {
    const [name = "", ...value] = line.split(":");
    return [name, value.join(":").trim()];
  });
  const [, status = "200"] = headers.find(([name]) => name === "Status") ?? [];
  const others = headers.filter(([name]) => name !== "Status");
  response.writeHead(Number.parseInt(status, 10), Object.fromEntries(others));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request) body += String(chunk);
  return body;
}

const hook = (branch: string): string => `#!/bin/sh
while read -r _ _ ref; do
  if [ "$ref" = "refs/heads/${branch}" ]; then
    echo "Gitea: Not allowed to push to protected branch ${branch}" >&2
    exit 1
  fi
done
`;
