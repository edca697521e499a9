/** Answers of Gitea that the stand-ins do not give. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { GitServer } from "../../../../provider/gitops/git/gitServer";

let server: Server;
afterEach(() => server.close());

const ORGANIZATION = "/api/v1/orgs/platform";

/** Answers `POST /orgs` with 422. `exists`: another run has made the organization just before. */
async function gitea(exists: boolean): Promise<{ git: GitServer; requests: string[] }> {
  const requests: string[] = [];
  server = createServer((request, response) => {
    const { method, url = "" } = request;
    request.resume();
    const isKnown = exists && requests.includes("POST /api/v1/orgs") && url === ORGANIZATION;
    requests.push(`${method} ${url}`);
    if (method === "POST") response.statusCode = url === "/api/v1/orgs" ? 422 : 201;
    else response.statusCode = isKnown ? 200 : 404;
    response.end(JSON.stringify({ message: "user already exists" }));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const open = (): Promise<Duplex> => {
    // Like a port-forward, no socket.
    const socket = connect(port, "127.0.0.1");
    return Promise.resolve(Duplex.from({ readable: socket, writable: socket }));
  };
  const limits = { deadline: Date.now() + 20_000, signal: new AbortController().signal };
  const account = { user: "gitops", password: "secret" };
  return { git: new GitServer("gitea/gitea-http", { open }, account, limits), requests };
}

const REPOSITORY = { owner: "platform", name: "cluster" };

test("an organization that another run makes at the same time is not an error", async () => {
  const { git, requests } = await gitea(true);
  await git.ensureRepository(REPOSITORY, "main");
  git.close();
  expect(requests.at(-1)).toBe("POST /api/v1/orgs/platform/repos");
});

test("an organization that Gitea refuses is an error with its words", async () => {
  const { git } = await gitea(false);
  await expect(git.ensureRepository(REPOSITORY, "main")).rejects.toThrow(
    "making orgs/platform failed: HTTP status 422: user already exists",
  );
  git.close();
});
