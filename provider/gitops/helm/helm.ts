/**
 * Runs the program `helm` of this machine against the cluster. Each call has a private directory
 * with its identity, and nothing of the user's own Helm: no plugins, repositories or logins.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterAccess } from "../../cluster/access";
import { API_SERVER_NAME, makeKubeconfig } from "../../cluster/kubeconfig";
import { ProviderError } from "../../errors";
import { withPrivateDirectory } from "../../hosts/nix/privateDirectory";
import type { Call } from "../../hosts/operations/operation";
import { Wait, within } from "../../hosts/wait/wait";
import { withLocalPort } from "../localPort";
import { helmFailure } from "./failures";

/** A release of Helm 3 would be applied by the client for good, also by Flux. */
const MAJOR = 4;
const VERSION_SECONDS = 30;
/** To record in the cluster that it was interrupted. */
const STOP_MS = 15_000;
const OPEN_SECONDS = 60;
const NEVER = new AbortController().signal;
const MOST_PRINTED = 64 * 1024;
/** What a download needs of the user's environment. */
const PASSED = ["PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];

export interface HelmCommand {
  args: readonly string[];
  /** For standard input: the values as JSON. */
  input: string;
  /** Values that must not be in an error. */
  secrets: readonly string[];
  /** For messages: `cilium: installing`. */
  doing: string;
}

export type HelmCluster = Pick<ClusterAccess, "config" | "identity" | "stream">;

export class Helm {
  private version: Promise<void> | undefined;

  constructor(private readonly program = "helm") {}

  /** What it printed to its standard output. It ends with the call, and so does its connection. */
  async run(call: Call, cluster: HelmCluster, command: HelmCommand): Promise<string> {
    await this.requireVersion(call);
    const identity = await cluster.identity(call);
    // Also an interrupted Helm connects: it records its interruption.
    const opening = (): Call => within({ ...call, signal: NEVER }, OPEN_SECONDS);
    const streams = { open: () => cluster.stream(opening()) };
    return withPrivateDirectory((directory) =>
      withLocalPort(streams, call, (port) => {
        const { name } = cluster.config;
        const server = `https://127.0.0.1:${port}`;
        const file = join(directory, "kubeconfig");
        const kubeconfig = makeKubeconfig(name, server, identity, API_SERVER_NAME);
        writeFileSync(file, kubeconfig, { mode: 0o600 });
        return this.execute(call, command, environmentIn(directory, file));
      }),
    );
  }

  /** Asked once per process. */
  private requireVersion(call: Call): Promise<void> {
    this.version ??= this.askVersion(call);
    const { version } = this;
    version.catch(() => (this.version = undefined));
    return version;
  }

  private async askVersion(call: Call): Promise<void> {
    const doing = `asking ${this.program} for its version`;
    const command = { args: ["version", "--short"], input: "", secrets: [], doing };
    const text = await withPrivateDirectory((directory) =>
      this.execute(within(call, VERSION_SECONDS), command, environmentIn(directory, "")),
    );
    const major = Number(/^v(\d+)\./.exec(text.trim())?.[1]);
    if (major === MAJOR) return;
    throw new ProviderError(
      "input",
      `${this.program} is Helm ${text.trim()}, and Helm ${MAJOR} is required`,
      `Install Helm ${MAJOR}, or set the provider's \`helm\` to its path.`,
    );
  }

  private execute(
    call: Call,
    { args, input, secrets, doing }: HelmCommand,
    environment: NodeJS.ProcessEnv,
  ): Promise<string> {
    const wait = new Wait(doing, call);
    wait.doing = () => "running helm";
    return new Promise((resolve, reject) => {
      const child = spawn(this.program, args, {
        env: environment,
        cwd: environment["HOME"],
        stdio: ["pipe", "pipe", "pipe"],
      });
      const stop = (): void => stopGently(child);
      wait.signal.addEventListener("abort", stop, { once: true });
      if (wait.signal.aborted) stop();
      let printed = "";
      let complained = "";
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => (printed += chunk));
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        complained = (complained + chunk).slice(-MOST_PRINTED);
      });
      // It may end before it has read its input.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
      child.on("error", (error) => reject(this.missing(error)));
      child.on("close", (code) => {
        wait.signal.removeEventListener("abort", stop);
        if (code === 0) resolve(printed);
        else if (wait.signal.aborted) reject(wait.over());
        else reject(helmFailure(doing, complained, secrets));
      });
    });
  }

  private missing({ message }: Error): ProviderError {
    return new ProviderError(
      "input",
      `can't run ${this.program}: ${message}`,
      `Install Helm ${MAJOR} on this machine, or set the provider's \`helm\` to its path.`,
    );
  }
}

/** Helm writes to the release that it was interrupted. */
function stopGently(child: ChildProcess): void {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.once("close", () => clearTimeout(timer));
}

function environmentIn(directory: string, kubeconfig: string): NodeJS.ProcessEnv {
  const own = (name: string): string => {
    const path = join(directory, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  };
  const passed = PASSED.flatMap((name) =>
    [name, name.toLowerCase()].flatMap((key): [string, string][] => {
      const value = process.env[key];
      return value === undefined ? [] : [[key, value]];
    }),
  );
  return {
    ...Object.fromEntries(passed),
    HOME: directory,
    TMPDIR: own("tmp"),
    KUBECONFIG: kubeconfig,
    HELM_CACHE_HOME: own("cache"),
    HELM_CONFIG_HOME: own("config"),
    HELM_DATA_HOME: own("data"),
    HELM_PLUGINS: own("plugins"),
    HELM_DRIVER: "secret",
    NO_COLOR: "1",
  };
}
