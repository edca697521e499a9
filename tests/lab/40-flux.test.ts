/**
 * Flux in the lab's cluster: its real controllers run for the pods of their Deployments, with Gitea
 * (here its stand-in) as a pod. So a push to Gitea changes the cluster.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awaitK0s, clusterSite, kubectl } from "./cluster";
import {
  REPOSITORY,
  apply,
  awaitFlux,
  awaitFluxReady,
  execute,
  forwardGitea,
  installGitea,
  syncOf,
} from "./flux";
import { STACK, SiteCopy, lab, on, pulumi, releaseHosts, until } from "./lab";

const site = new SiteCopy();
const tree = mkdtempSync(join(tmpdir(), "pulumi-microvm-gitops-"));

beforeAll(async () => {
  await awaitK0s();
  await awaitFlux();
  await releaseHosts();
  await site.converge(clusterSite({ controllers: 1, workers: 2 }));
}, 3_600_000);
afterAll(async () => {
  rmSync(tree, { recursive: true, force: true });
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

function git(...words: string[]): void {
  const identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"];
  execFileSync("git", ["-C", tree, ...identity, ...words], { stdio: "pipe" });
}

function commit(message: string): void {
  git("add", "--all");
  git("commit", "--quiet", "--message", message);
}

/** By the API of Gitea and by Git, through the API server. */
async function push(isNew = false): Promise<void> {
  const gitea = await forwardGitea();
  try {
    if (isNew) {
      const [owner = "", name = ""] = REPOSITORY.split("/");
      const post = ["curl", "--silent", "--fail", "--json"];
      await execute(...post, JSON.stringify({ username: owner }), `${gitea.url}/api/v1/orgs`);
      const repository = JSON.stringify({ name, default_branch: "main" });
      await execute(...post, repository, `${gitea.url}/api/v1/orgs/${owner}/repos`);
    }
    const remote = `${gitea.url}/${REPOSITORY}.git`;
    await execute("git", "-C", tree, "push", "--quiet", remote, "HEAD:refs/heads/main");
  } finally {
    await gitea.stop();
  }
}

test("Gitea runs as a pod on a local volume, and kubectl port-forward reaches it", async () => {
  await installGitea("c1");
  const volume = await kubectl("c1", "-n gitea get pvc gitea-shared-storage -o wide");
  expect(volume).toContain("Bound");
  const { code, text } = await lab(["gitops", tree]);
  expect({ code, text }).toMatchObject({ code: 0 });
  git("init", "--quiet", "--initial-branch=main");
  commit("the lab's tree");
  await push(true);
}, 400_000);

test("the real controllers apply the tree, with a release of each chart", async () => {
  const gotk = join(tree, "clusters", "lab", "flux-system", "gotk-components.yaml");
  await apply("c1", readFileSync(gotk, "utf8"));
  await kubectl("c1", "-n flux-system wait --for=condition=Available deploy --all --timeout=120s");
  const settings = "create configmap cluster-settings --from-literal=REGION=lab";
  await kubectl("c1", `-n flux-system ${settings} --from-literal=OSD_NODE=w1`);
  await apply("c1", syncOf("./clusters/lab"));
  await awaitFluxReady("c1", "gitrepository", "flux-system", "flux-system");
  for (const name of ["flux-system", "infrastructure", "apps"]) {
    await awaitFluxReady("c1", "kustomization", "flux-system", name);
  }
  for (const [namespace, name] of [
    ["kube-system", "cilium"],
    ["openebs", "openebs"],
    ["rook-ceph", "rook-ceph"],
    ["rook-ceph", "rook-ceph-cluster"],
  ] as const) {
    await awaitFluxReady("c1", "helmrelease", namespace, name);
  }
  expect(await kubectl("c1", "-n hello get configmap hello -o jsonpath={.data.region}")).toBe(
    "lab",
  );
  expect(
    await kubectl("c1", "-n rook-ceph get cephcluster -o jsonpath={.items[*].status.phase}"),
  ).toBe("Ready");
  await kubectl("c1", "-n rook-ceph wait --for=condition=Available deploy/rook-ceph-osd-0");
  expect(
    await kubectl("c1", "-n kube-system get daemonset cilium -o jsonpath={.status.numberReady}"),
  ).toBe("2");
}, 400_000);

test("a push changes the cluster", async () => {
  const file = join(tree, "apps", "hello.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("${REGION:=nowhere}", "pushed"));
  commit("another region");
  await push();
  await until("the pushed value", 90, async () => {
    const found = await kubectl("c1", "-n hello get configmap hello -o jsonpath={.data.region}");
    return found === "pushed" ? true : Promise.reject(new Error(found));
  });
});

test("a controller's program ends with its pod, and the next pod has its own", async () => {
  const pod =
    "-n flux-system get pod -l app=kustomize-controller -o jsonpath={.items[*].metadata.name}";
  const before = await kubectl("c1", pod);
  await kubectl("c1", `-n flux-system delete pod ${before}`);
  await kubectl(
    "c1",
    "-n flux-system wait --for=condition=Available deploy/kustomize-controller --timeout=60s",
  );
  const count = async (): Promise<number> => {
    const hosts = await Promise.all(["hv1", "hv2"].map((host) => on(host, "ps -eo args=")));
    return hosts
      .join("\n")
      .split("\n")
      .filter((line) => /^\S*\/kustomize-controller /.test(line)).length;
  };
  await until("one program", 30, async () => ((await count()) === 1 ? true : undefined));
  expect(await kubectl("c1", pod)).not.toBe(before);
});
