/** Flux, Gitea and a GitOps tree in a cluster of the lab, without the provider. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { lab, on, start, until } from "./lab";
import { kubectl } from "./cluster";
import { FLUX_NAMESPACE, FLUX_SYNC, rootKustomization } from "../../components/gitops/root";

const GITEA_PORT = 3000;
const LOCAL_PORT = 13_000;
const USER = "gitops";
/** Only of this lab. */
const PASSWORD = "lab-gitea-password";

/** Waits until the lab has Flux. It makes it beside other work, which takes long once. */
export async function awaitFlux(): Promise<void> {
  const { code, text } = await lab(["flux"]);
  if (code !== 0) throw new Error(text);
}

/** Applies manifests as administrator, on a controller. */
export async function apply(controller: string, manifests: string): Promise<void> {
  const command = "k0s kubectl apply --server-side --force-conflicts -f - >/dev/null";
  const { code, text } = await lab(["ssh", controller, command], manifests);
  if (code !== 0) throw new Error(text);
}

/** Runs a command in the lab's environment. It must succeed. */
export async function execute(...words: string[]): Promise<string> {
  const { code, stdout, text } = await lab(["exec", ...words]);
  if (code !== 0) throw new Error(`${words.join(" ")}: exit ${code}:\n${text}`);
  return stdout;
}

/** Installs a chart of the lab's tree as plain objects. */
export async function applyChart(
  controller: string,
  chart: string,
  namespace: string,
  values: readonly string[],
): Promise<void> {
  await on(controller, `k0s kubectl create namespace ${namespace} 2>/dev/null || true`);
  const settings = values.flatMap((value) => ["--set", value]);
  const directory = `lab/gitops/charts/${chart}`;
  const words = ["template", chart, directory, "--namespace", namespace, ...settings];
  await apply(controller, await execute("helm", ...words));
}

/** A default StorageClass, and Gitea with its administrator on a local volume. Waits for both. */
export async function installGitea(controller: string): Promise<void> {
  await applyChart(controller, "openebs", "openebs", [
    "localpv-provisioner.hostpathClass.isDefaultClass=true",
    "loki.enabled=false,alloy.enabled=false",
  ]);
  await on(controller, "k0s kubectl create namespace gitea 2>/dev/null || true");
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "gitea-admin", namespace: "gitea" },
    stringData: { username: USER, password: PASSWORD },
  };
  await apply(controller, JSON.stringify(secret));
  await applyChart(controller, "gitea", "gitea", [
    "valkey-cluster.enabled=false,postgresql-ha.enabled=false",
    "gitea.admin.existingSecret=gitea-admin,strategy.type=Recreate",
  ]);
  await kubectl(controller, "-n gitea wait --for=condition=Available deploy/gitea --timeout=120s");
}

/** Works with Gitea through the API server. `url` has the administrator's password. */
export async function withGitea(work: (url: string) => Promise<void>): Promise<void> {
  const words = ["-n", "gitea", "port-forward", "deploy/gitea", `${LOCAL_PORT}:${GITEA_PORT}`];
  const forward = start(["exec", "kubectl", ...words], "", 0);
  await forward.printed(/Forwarding from 127\.0\.0\.1/);
  try {
    await work(`http://${USER}:${PASSWORD}@127.0.0.1:${LOCAL_PORT}`);
  } finally {
    process.kill(-forward.pid, "SIGTERM");
    await forward.ended;
  }
}

export async function createRepository(url: string, repository: string): Promise<void> {
  const [owner = "", name = ""] = repository.split("/");
  const post = (path: string, body: object): Promise<unknown> =>
    lab(["exec", "curl", "--silent", "--json", JSON.stringify(body), `${url}/api/v1/${path}`]);
  // It may exist.
  await post("orgs", { username: owner });
  await post(`orgs/${owner}/repos`, { name, default_branch: "main" });
}

/** A repository on this machine whose commits go to Gitea. */
export class PushedRepository {
  readonly directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-pushed-"));

  constructor(private readonly name: string) {
    this.git("init", "--quiet", "--initial-branch=main");
  }

  private git(...words: string[]): string {
    const identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"];
    const all = ["-C", this.directory, ...identity, ...words];
    return execFileSync("git", all, { encoding: "utf8", stdio: "pipe" }).trim();
  }

  /** The new commit. */
  async push(url: string, message: string): Promise<string> {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--allow-empty", "--message", message);
    const remote = `${url}/${this.name}.git`;
    await execute("git", "-C", this.directory, "push", "--quiet", remote, "HEAD:refs/heads/main");
    return this.git("rev-parse", "HEAD");
  }

  /** Replaces all files. */
  fill(source: string): void {
    for (const name of readdirSync(this.directory)) {
      if (name !== ".git") rmSync(join(this.directory, name), { recursive: true });
    }
    cpSync(source, this.directory, { recursive: true });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A GitRepository for a repository in Gitea, and its credentials. */
export function gitRepository(repository: string): object[] {
  const metadata = { name: FLUX_SYNC, namespace: FLUX_NAMESPACE };
  return [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata,
      stringData: { username: USER, password: PASSWORD },
    },
    {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata,
      spec: {
        interval: "10s",
        url: `http://gitea-http.gitea.svc.cluster.local:${GITEA_PORT}/${repository}.git`,
        ref: { branch: "main" },
        secretRef: { name: FLUX_SYNC },
      },
    },
  ];
}

/** Flux's objects for a path of a repository in Gitea. */
export function syncOf(repository: string, path: string): string {
  const root = rootKustomization(path, false);
  const spec = { ...root.spec, interval: "10s", retryInterval: "5s" };
  const objects = [...gitRepository(repository), { ...root, spec }];
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

const fluxObject = z.object({
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string() }))
        .optional(),
    })
    .optional(),
});

/** Waits until an object of Flux is Ready. Names the reason if it does not get so far. */
export async function awaitFluxReady(
  controller: string,
  kind: string,
  namespace: string,
  name: string,
  seconds = 120,
): Promise<string> {
  return until(`${kind} ${namespace}/${name} to be Ready`, seconds, async () => {
    const text = await kubectl(controller, `-n ${namespace} get ${kind} ${name} -o json`);
    const { status } = fluxObject.parse(JSON.parse(text));
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status !== "True") throw new Error(ready?.message ?? "no condition Ready yet");
    return ready.message;
  });
}
