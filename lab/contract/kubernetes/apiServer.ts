/** etcd and kube-apiserver on this machine, from the lab's programs. Nothing else runs there. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { makeKubeconfig } from "../../../provider/cluster/kubeconfig";
import { attempt } from "../../command";
import { checkout } from "../../paths";
import { waitFor } from "../../progress";

const READY_SECONDS = 90;
const STOP_SECONDS = 20;
const LAST_LINES = 5;

export interface Address {
  server: string;
  kubeconfig: string;
}

export class ApiServer {
  private readonly children: ChildProcess[] = [];
  readonly address: Address;

  private constructor(
    private readonly directory: string,
    private readonly programs: string,
    private readonly port: number,
  ) {
    this.address = { server: `https://127.0.0.1:${port}`, kubeconfig: "" };
  }

  /** `programs`: a directory with etcd and kube-apiserver. */
  static async start(directory: string, programs: string): Promise<ApiServer> {
    const [port = 0, client = 0, peer = 0] = await freePorts(3);
    const made = new ApiServer(directory, programs, port);
    mkdirSync(directory, { recursive: true });
    try {
      made.run("etcd", etcdArguments(join(directory, "etcd"), client, peer));
      made.run("kube-apiserver", made.apiArguments(client));
      await waitFor("the API server", READY_SECONDS, () => made.unready());
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  /** By kubectl. Throws if it fails. */
  async kubectl(args: readonly string[], stdin?: string): Promise<string> {
    const command = [join(this.programs, "kubectl"), `--kubeconfig=${this.file}`, ...args];
    const answer = await attempt(command, stdin === undefined ? {} : { input: stdin });
    if (answer.code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${answer.stderr}`);
    return answer.stdout;
  }

  async stop(): Promise<void> {
    for (const child of this.children.reverse()) {
      if (child.exitCode !== null) continue;
      child.kill("SIGTERM");
      await waitFor("a program to end", STOP_SECONDS, () =>
        Promise.resolve((child.exitCode ?? child.signalCode) ? undefined : "it runs"),
      ).catch(() => child.kill("SIGKILL"));
    }
  }

  private get file(): string {
    return join(this.directory, "kubeconfig");
  }

  private run(program: string, args: readonly string[]): void {
    const log = openSync(join(this.directory, `${program}.log`), "w");
    const path = join(this.programs, program);
    this.children.push(spawn(path, args, { stdio: ["ignore", log, log] }));
  }

  private lastLines({ spawnfile }: ChildProcess): string {
    const log = join(this.directory, `${basename(spawnfile)}.log`);
    return readFileSync(log, "utf8").trimEnd().split("\n").slice(-LAST_LINES).join("\n");
  }

  private apiArguments(etcdPort: number): string[] {
    const fixtures = join(checkout, "tests", "fixtures", "api");
    return [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      `--secure-port=${this.port}`,
      "--bind-address=127.0.0.1",
      // It makes its own certificate there.
      `--cert-dir=${join(this.directory, "pki")}`,
      `--client-ca-file=${join(fixtures, "ca.crt")}`,
      "--service-account-issuer=https://contract",
      `--service-account-key-file=${join(fixtures, "server.crt")}`,
      `--service-account-signing-key-file=${join(fixtures, "server.key")}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      "--authorization-mode=RBAC",
      "--disable-admission-plugins=ServiceAccount",
    ];
  }

  private async unready(): Promise<string | undefined> {
    const ended = this.children.find(({ exitCode }) => exitCode !== null);
    if (ended !== undefined) throw new Error(`it ended: ${this.lastLines(ended)}`);
    const certificate = join(this.directory, "pki", "apiserver.crt");
    if (!existsSync(certificate)) return "it has no certificate";
    this.address.kubeconfig = kubeconfigOf(this.address.server, readFileSync(certificate, "utf8"));
    writeFileSync(this.file, this.address.kubeconfig, { mode: 0o600 });
    const answer = await this.kubectl(["get", "--raw", "/readyz"]).catch(String);
    return answer === "ok" ? undefined : answer;
  }
}

/** With the identity of the tests, which has all rights. */
function kubeconfigOf(server: string, ca: string): string {
  const fixture = (file: string): string =>
    readFileSync(join(checkout, "tests", "fixtures", "api", file), "utf8");
  const identity = { ca, cert: fixture("client.crt"), key: fixture("client.key") };
  return makeKubeconfig("contract", server, { ...identity, expires: new Date(8.64e15) });
}

function etcdArguments(directory: string, client: number, peer: number): string[] {
  const clients = `http://127.0.0.1:${client}`;
  const peers = `http://127.0.0.1:${peer}`;
  return [
    `--data-dir=${directory}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    `--listen-peer-urls=${peers}`,
    `--initial-advertise-peer-urls=${peers}`,
    `--initial-cluster=default=${peers}`,
    "--unsafe-no-fsync",
  ];
}

/** All are held until all are known, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          }),
        ),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
