/** Flux, Gitea and a GitOps tree in a cluster of the lab, without the provider. */
import { z } from "zod";
import { lab, on, start, until, type Started } from "./lab";
import { kubectl } from "./cluster";

export const REPOSITORY = "platform/cluster";
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

/** Gitea through the API server, until `stop`. */
export async function forwardGitea(): Promise<{ url: string; stop: () => Promise<void> }> {
  const words = ["-n", "gitea", "port-forward", "deploy/gitea", `${LOCAL_PORT}:${GITEA_PORT}`];
  const forward: Started = start(["exec", "kubectl", ...words], "", 0);
  await forward.printed(/Forwarding from 127\.0\.0\.1/);
  return {
    url: `http://${USER}:${PASSWORD}@127.0.0.1:${LOCAL_PORT}`,
    stop: async () => {
      process.kill(-forward.pid, "SIGTERM");
      await forward.ended;
    },
  };
}

/** Flux's objects for a path of the repository in Gitea. */
export function syncOf(path: string): string {
  const metadata = { name: "flux-system", namespace: "flux-system" };
  const objects = [
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
        url: `http://gitea-http.gitea.svc.cluster.local:${GITEA_PORT}/${REPOSITORY}.git`,
        ref: { branch: "main" },
        secretRef: { name: metadata.name },
      },
    },
    {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata,
      spec: {
        interval: "10s",
        retryInterval: "5s",
        path,
        prune: true,
        sourceRef: { kind: "GitRepository", name: metadata.name },
      },
    },
  ];
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
