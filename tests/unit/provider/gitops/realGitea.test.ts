/**
 * GitSeed against the real Gitea, if the lab has built it on this machine. The stand-in must answer
 * in the same way.
 */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../../../../lab/paths";
import { gitSeed } from "../../../../provider/resources/gitops/gitSeed";
import type { Inputs, State } from "../../../../provider/resources/gitops/gitSeedState";
import { ClusterStandIn, PASSWORD, USER, UserRepository, contextWith } from "./gitServers";

jest.setTimeout(180_000);

const programs = join(cacheDirectory, "kubernetes");
const built = (existsSync(programs) ? readdirSync(programs) : []).find(
  (name) => /^gitea-\d/.test(name) && existsSync(join(programs, name, "gitea")),
);
const withGitea = built === undefined ? describe.skip : describe;

withGitea("the real Gitea", () => {
  const gitea = join(programs, built ?? "", "gitea");
  let directory: string;
  let config: string;
  let server: ChildProcess;
  let cluster: ClusterStandIn;
  let user: UserRepository;
  let port: number;
  let said: string[];

  const run = (...args: string[]): string =>
    execFileSync(gitea, ["--config", config, ...args], { encoding: "utf8", stdio: "pipe" });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-gitea-"));
    port = await freePort();
    config = join(directory, "app.ini");
    mkdirSync(join(directory, "data"));
    writeFileSync(config, configOf(directory, join(programs, built ?? "", "assets"), port));
    run("migrate");
    const account = ["--username", USER, "--password", PASSWORD, "--email", "a@example.org"];
    run("admin", "user", "create", "--admin", "--must-change-password=false", ...account);
    server = spawn(gitea, ["--config", config, "web"], { stdio: "ignore" });
    await answers(`http://127.0.0.1:${port}/api/healthz`);
    cluster = new ClusterStandIn(port);
    user = new UserRepository(directory);
  });
  afterAll(() => {
    server.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => (said = []));

  const context = () => contextWith(cluster, said);
  const observe = (wanted: Inputs, recorded?: State) =>
    gitSeed.observe(context(), wanted, recorded);
  const converge = async (wanted: Inputs, recorded?: State): Promise<State> => {
    const observed = await observe(wanted, recorded);
    await gitSeed.refuse?.(context(), wanted, observed, recorded, undefined);
    return gitSeed.converge(context(), wanted, observed, recorded);
  };
  const api = async (method: string, path: string, body: object): Promise<unknown> => {
    const credentials = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
      method,
      headers: { Authorization: `Basic ${credentials}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const content = (text: string) => ({
    branch: "main",
    content: Buffer.from(text).toString("base64"),
    message: text,
  });

  test("makes organization and repository, pushes, and has nothing to do", async () => {
    const commit = user.commit("one");
    const wanted = user.inputs();
    expect(await observe(wanted)).toEqual({ status: "absent", seeded: "" });
    expect(await converge(wanted)).toEqual({ status: "seeded", seeded: commit });
    expect(await observe(wanted)).toEqual({ status: "seeded", seeded: commit });
    expect(await converge(user.inputs({ repository: `${USER}/own` }))).toMatchObject({
      status: "seeded",
    });
  });

  test("a push in Gitea itself is no drift, and what has diverged is refused", async () => {
    const wanted = user.inputs();
    const state = await converge(wanted);
    await api("POST", "repos/platform/cluster/contents/theirs.yaml", content("theirs"));
    expect(await observe(wanted, state)).toEqual(state);
    user.commit("ours");
    await expect(converge(user.inputs(), state)).rejects.toThrow(/have diverged; nothing was/);
  });

  test("a wrong password and a protected branch are one clear error", async () => {
    const repository = `${USER}/guarded`;
    const state = await converge(user.inputs({ repository }));
    await expect(observe(user.inputs({ repository, password: "wrong" }), state)).rejects.toThrow(
      /rejects the password of gitops/,
    );
    const rule = { rule_name: "main", enable_push: false };
    await api("POST", `repos/${repository}/branch_protections`, rule);
    user.commit("more");
    await expect(converge(user.inputs({ repository }), state)).rejects.toThrow(/it is protected/);
  });
});

const configOf = (directory: string, assets: string, port: number): string => `
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = ${directory}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ${port}
ROOT_URL = http://127.0.0.1:${port}/
STATIC_ROOT_PATH = ${assets}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = sqlite3
PATH = ${join(directory, "data", "gitea.db")}
[security]
INSTALL_LOCK = true
SECRET_KEY = test
INTERNAL_TOKEN = test
[session]
PROVIDER = memory
[cache]
ADAPTER = memory
[log]
LEVEL = error
MODE = file
`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function answers(url: string): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
    const isUp = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error("Gitea does not answer");
}
