/** A user's repository, a Git server, and a cluster that forwards to it, for tests. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GiteaStandIn } from "../../../../lab/gitea/server";
import type { ApiAnswer, ApiRequest } from "../../../../provider/cluster/kube/connection";
import { ObjectClient } from "../../../../provider/cluster/kube/objectClient";
import type { ObjectApi } from "../../../../provider/cluster/kube/objectClient";
import type { PodPort } from "../../../../provider/cluster/kube/portForward";
import { failureOf } from "../../../../provider/cluster/kube/failure";
import { ProviderError } from "../../../../provider/errors";
import type { Context } from "../../../../provider/resource";
import type { Limits } from "../../../../provider/hosts/wait/wait";
import type { Log } from "../../../../provider/log";
import { contextOf } from "../context";

export const USER = "gitops";
export const PASSWORD = "hunter2-canary";

/** A repository of a user, with a configuration that must not matter. */
export class UserRepository {
  readonly path: string;

  constructor(directory: string) {
    this.path = join(directory, "user");
    mkdirSync(this.path, { recursive: true });
    this.git("init", "--quiet", "--initial-branch=main", ".");
    this.git("config", "user.name", "A");
    this.git("config", "user.email", "a@example.org");
    mkdirSync(join(this.path, "gitops"));
  }

  git(...args: string[]): string {
    const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" };
    const options = { cwd: this.path, encoding: "utf8", env, stdio: "pipe" } as const;
    return execFileSync("git", args, options).trim();
  }

  /** The new commit. */
  commit(text: string, file = "gitops/a.yaml"): string {
    mkdirSync(join(this.path, file, ".."), { recursive: true });
    writeFileSync(join(this.path, file), `${text}\n`);
    this.git("add", "--all");
    this.git("commit", "--quiet", "--message", text);
    return this.head();
  }

  head(revision = "HEAD"): string {
    return this.git("rev-parse", revision);
  }

  /** The inputs of a GitSeed at the present commit. */
  inputs(more: object = {}) {
    return {
      directory: join(this.path, "gitops"),
      commit: this.head(),
      content: this.head("HEAD^{tree}"),
      branch: "main",
      repository: "platform/cluster",
      namespace: "gitea",
      service: "gitea-http",
      port: 3000,
      user: USER,
      password: PASSWORD,
      ...more,
    };
  }
}

const service = {
  spec: { selector: { app: "gitea" }, ports: [{ port: 3000, targetPort: "http" }] },
};

const podNamed = (name: string, isReady: boolean): object => ({
  metadata: { name },
  spec: { containers: [{ ports: [{ name: "http", containerPort: 3001 }] }] },
  status: { conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] },
});

/** The API of a cluster in which the Git server is a pod. */
export class ClusterStandIn {
  readonly config = { name: "production" };
  readonly requests: string[] = [];
  readonly forwards: PodPort[] = [];
  isReady = true;
  /** konnectivity has no agent for so many forwards. */
  refusals = 0;

  constructor(private readonly port: number) {}

  objects(call: Limits): ObjectApi {
    return new ObjectClient(this, call);
  }

  async request(_call: object, { method, path }: ApiRequest): Promise<ApiAnswer> {
    await Promise.resolve();
    this.requests.push(`${method} ${path}`);
    const answer = (body: object): ApiAnswer => ({
      status: 200,
      headers: {},
      body: JSON.stringify(body),
    });
    if (path.endsWith("/services/gitea-http")) return answer(service);
    if (path.includes("/pods?")) {
      return answer({ items: [podNamed("gitea-0", false), podNamed("gitea-1", this.isReady)] });
    }
    throw failureOf(404, JSON.stringify({ reason: "NotFound" }));
  }

  async forward(_call: object, target: PodPort): Promise<Duplex> {
    await Promise.resolve();
    this.forwards.push(target);
    if (this.refusals-- > 0) {
      throw new ProviderError("unreachable", "production: no agent available");
    }
    // Like a port-forward, no socket.
    const socket = connect(this.port, "127.0.0.1");
    return Duplex.from({ readable: socket, writable: socket });
  }
}

export interface Bench {
  directory: string;
  user: UserRepository;
  gitea: GiteaStandIn;
  cluster: ClusterStandIn;
  close: () => Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-git-"));
  const repositories = join(directory, "gitea");
  mkdirSync(repositories);
  const gitea = new GiteaStandIn({ directory: repositories, users: { [USER]: PASSWORD } });
  const cluster = new ClusterStandIn(await gitea.listen());
  const user = new UserRepository(directory);
  const close = async (): Promise<void> => {
    await gitea.close();
    rmSync(directory, { recursive: true });
  };
  return { directory, user, gitea, cluster, close };
}

export const URN = "urn:pulumi:lab::microvm::microvm:index:GitSeed::gitea";

/** What the resource logs is in `said`. */
export function contextWith(cluster: object, said: string[] = []): Context {
  const log: Partial<Log> = {
    warning: (_urn, message) => void said.push(`warning: ${message}`),
    info: (_urn, message) => void said.push(message),
  };
  const context = contextOf(URN, log);
  Object.assign(context.pool, { cluster: () => cluster });
  return { ...context, status: (text) => void said.push(`status: ${text}`) };
}
