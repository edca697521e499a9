/**
 * A real API server with a real etcd, and the real Helm of the lab's cache. Nothing else runs: no
 * controllers, so workloads get a status only by `settle`.
 */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ClusterAccess } from "../../provider/cluster/access";
import { clusterSchema } from "../../provider/cluster/config";
import { ObjectClient } from "../../provider/cluster/kube/objectClient";
import type { KubeObject } from "../../provider/cluster/kube/objectClient";
import type { ApiAnswer } from "../../provider/cluster/kube/connection";
import { EMPTY, GuestStandIn } from "../unit/provider/cluster/standIns";
import { identity } from "../unit/provider/cluster/kube/apiServer";

const ADDRESS = "198.18.0.21";
const START_MS = 120_000;
const fixtures = resolve(__dirname, "..", "fixtures", "api");

export interface Cluster {
  access: ClusterAccess;
  /** The program. */
  helm: string;
  /** `METHOD PATH` of each request that was sent through `access`. */
  requests: string[];
  objects: ObjectClient;
  request: (method: string, path: string, body?: object) => Promise<ApiAnswer>;
  /** Connections are refused. */
  cut: (isCut: boolean) => void;
  stop: () => Promise<void>;
}

export const limits = () => ({
  deadline: Date.now() + 60_000,
  signal: new AbortController().signal,
});

export async function startCluster(): Promise<Cluster> {
  const programs = programsOfLab();
  const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-kube-"));
  const [clients, peers, port] = [await freePort(), await freePort(), await freePort()];
  const etcd = start(join(programs, "etcd"), etcdArguments(scratch, clients, peers));
  const api = start(join(programs, "kube-apiserver"), apiArguments(scratch, clients, port));
  let isCut = false;
  const guest = new GuestStandIn("kc1", {
    ...EMPTY,
    role: "controller",
    unit: "active",
    hasData: true,
    version: "v1.36.3+k0s.2",
    identity: { expires: identity.expires },
  });
  const access = new ClusterAccess(
    {
      guest: () => guest,
      stream: () =>
        isCut
          ? Promise.reject(new Error("no route to host"))
          : Promise.resolve(connect(port, "127.0.0.1")),
      isClosed: () => false,
    },
    clusterSchema.parse({
      name: "production",
      members: { kc1: { host: "hv1", address: ADDRESS, role: "controller" } },
      drain: {},
    }),
  );
  const requests: string[] = [];
  const send = access.request.bind(access);
  access.request = (call, request) => {
    requests.push(`${request.method} ${request.path.replace(/\?.*/, "")}`);
    return send(call, request);
  };
  const request = (method: string, path: string, body?: object): Promise<ApiAnswer> => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers = { "content-type": type };
    return send(limits(), { method, path, headers, body: body && JSON.stringify(body) });
  };
  const stop = async (): Promise<void> => {
    access.close();
    await ended(api);
    await ended(etcd);
    rmSync(scratch, { recursive: true });
  };
  try {
    await ready(request, [etcd, api]);
  } catch (error) {
    await stop();
    throw error;
  }
  const objects = new ObjectClient({ request: (_, one) => send(limits(), one) }, limits());
  const cut = (now: boolean): void => void (isCut = now);
  return { access, helm: join(programs, "helm"), requests, objects, request, cut, stop };
}

function programsOfLab(): string {
  const main = resolve(__dirname, "..", "..", "bin", "lab", "kubernetes", "main.js");
  const printed = execFileSync(process.execPath, [main, "directory"], { encoding: "utf8" });
  return printed.trim().split("\n").pop() ?? "";
}

function etcdArguments(scratch: string, clients: number, peers: number): string[] {
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  return [
    `--data-dir=${join(scratch, "etcd")}`,
    `--listen-client-urls=${at(clients)}`,
    `--advertise-client-urls=${at(clients)}`,
    `--listen-peer-urls=${at(peers)}`,
    `--initial-advertise-peer-urls=${at(peers)}`,
    `--initial-cluster=default=${at(peers)}`,
    "--unsafe-no-fsync",
    "--log-level=error",
  ];
}

function apiArguments(scratch: string, etcd: number, port: number): string[] {
  const certificates = join(scratch, "certificates");
  // Any key will do: no service account gets a token.
  const key = join(fixtures, "server.key");
  return [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    "--endpoint-reconciler-type=none",
    `--cert-dir=${certificates}`,
    `--tls-cert-file=${join(fixtures, "server.crt")}`,
    `--tls-private-key-file=${key}`,
    `--client-ca-file=${join(fixtures, "ca.crt")}`,
    `--service-account-key-file=${join(fixtures, "server.crt")}`,
    `--service-account-signing-key-file=${key}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    "--service-cluster-ip-range=10.96.0.0/24",
    "--disable-admission-plugins=ServiceAccount",
    "--authorization-mode=RBAC",
  ];
}

interface Started {
  child: ChildProcess;
  printed: () => string;
}

function start(program: string, args: string[]): Started {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const keep = (chunk: string): void => void (text = (text + chunk).slice(-4_000));
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  return { child, printed: () => text };
}

async function ended({ child }: Started): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await exit;
}

async function ready(request: Cluster["request"], programs: readonly Started[]): Promise<void> {
  for (const deadline = Date.now() + START_MS; Date.now() < deadline;) {
    const dead = programs.find(({ child }) => child.exitCode !== null);
    if (dead !== undefined) throw new Error(`it ended: ${dead.printed()}`);
    const isReady = await request("GET", "/readyz").then(
      () => true,
      () => false,
    );
    if (isReady) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`the API is not ready: ${programs.map(({ printed }) => printed()).join("\n")}`);
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => done(port));
    });
  });
}

/** Gives a workload the status that its controller and its pods would have. */
export async function settle(cluster: Cluster, path: string): Promise<void> {
  const object = await cluster.objects.get(path);
  if (object !== undefined) await cluster.request("PATCH", `${path}/status`, settled(object));
}

function settled({ metadata }: KubeObject): object {
  const count = { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1 };
  return { status: { observedGeneration: metadata.generation, ...count } };
}
