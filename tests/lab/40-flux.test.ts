/**
 * Flux in the lab's cluster: its real controllers run for the pods of their Deployments, with Gitea
 * (in `npm test` its stand-in) as a pod. So a push to Gitea changes the cluster. The reader of
 * GitOps trees is compared with the real kustomize-controller.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { treeObjects } from "../../components/gitops/tree/tree";
import { TREES, TREE_NAMES, recordedPrograms, settingsOf } from "../fixtures/gitops-trees/trees";
import { SELECTION, sampled } from "../selection";
import { awaitK0s, clusterSite, kubectl } from "./cluster";
import {
  PushedRepository,
  apply,
  awaitFlux,
  awaitFluxReady,
  createRepository,
  installGitea,
  syncOf,
  withGitea,
} from "./flux";
import { awaitObjects, prepareTrees, reconcileTree, removeTree } from "./fluxTrees";
import { STACK, SiteCopy, lab, on, pulumi, releaseHosts, until } from "./lab";

const CLUSTER = "platform/cluster";
const FIXTURES = "platform/trees";

const site = new SiteCopy();
const tree = new PushedRepository(CLUSTER);
const fixture = new PushedRepository(FIXTURES);

beforeAll(async () => {
  await awaitK0s();
  await awaitFlux();
  await releaseHosts();
  await site.converge(clusterSite({ controllers: 1, workers: 2 }));
}, 3_600_000);
afterAll(async () => {
  tree.remove();
  fixture.remove();
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await site.restore();
});

test("Gitea runs as a pod on a local volume, and kubectl port-forward reaches it", async () => {
  await installGitea("c1");
  const volume = await kubectl("c1", "-n gitea get pvc gitea-shared-storage -o wide");
  expect(volume).toContain("Bound");
  const { code, text } = await lab(["gitops", tree.directory]);
  expect({ code, text }).toMatchObject({ code: 0 });
  await withGitea(async (url) => {
    await createRepository(url, CLUSTER);
    await createRepository(url, FIXTURES);
    await tree.push(url, "the lab's tree");
  });
}, 400_000);

test("the pods of Flux's Deployments become ready with their programs", async () => {
  const gotk = join(tree.directory, "clusters", "lab", "flux-system", "gotk-components.yaml");
  await apply("c1", readFileSync(gotk, "utf8"));
  await kubectl("c1", "-n flux-system wait --for=condition=Available deploy --all --timeout=120s");
  await prepareTrees("c1");
}, 200_000);

test.each(sampled("flux trees", TREE_NAMES, 3))(
  `the reader sees what kustomize-controller applies: %s (${SELECTION})`,
  async (name) => {
    const directory = join(TREES, name, "tree");
    const programs = recordedPrograms(name);
    const expected = await treeObjects(directory, "cluster", settingsOf(name), programs);
    fixture.fill(directory);
    let commit = "";
    await withGitea(async (url) => {
      commit = await fixture.push(url, name);
    });
    await reconcileTree("c1", name, FIXTURES);
    try {
      await awaitObjects("c1", commit, expected);
    } finally {
      await removeTree("c1");
    }
  },
);

test("the real controllers apply the lab's tree, with a release of each chart", async () => {
  const settings = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cluster-settings", namespace: "flux-system" },
    data: { REGION: "lab", OSD_NODE: "w1" },
  };
  await apply("c1", JSON.stringify(settings));
  await apply("c1", syncOf(CLUSTER, "clusters/lab"));
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
  const file = join(tree.directory, "apps", "hello.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("${REGION:=nowhere}", "pushed"));
  await withGitea(async (url) => {
    await tree.push(url, "another region");
  });
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
  await until("one program", 30, async () => ((await programs()) === 1 ? true : undefined));
  expect(await kubectl("c1", pod)).not.toBe(before);
});

/** How many processes of kustomize-controller run. */
async function programs(): Promise<number> {
  const hosts = await Promise.all(["hv1", "hv2"].map((host) => on(host, "ps -eo args=")));
  const lines = hosts.join("\n").split("\n");
  return lines.filter((line) => /^\S*\/kustomize-controller /.test(line)).length;
}
