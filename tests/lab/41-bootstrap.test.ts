/**
 * One `up` from bare hypervisors to a cluster that Flux runs from the Git server inside it. Helm,
 * Flux's controllers and the API are real; pods are simulated, but for those with a program.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { awaitK0s, clusterSite, kubectl } from "./cluster";
import { awaitFlux, execute, withGitea } from "./flux";
import {
  PROJECT,
  STACK,
  SiteCopy,
  expectNoChanges,
  lab,
  pulumi,
  releaseHosts,
  start,
  state,
  until,
  up,
  type Started,
} from "./lab";

const site = new SiteCopy();
const directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-bootstrap-"));
const tree = join(directory, "gitops");
const charts = join(directory, "charts");
const REPOSITORY = "platform/cluster";
const CHART_PORT = 18_879;
const PASSWORD = "lab-gitea-password";
/** Namespace and name of the HelmReleases, in the order of their installation. */
const RELEASES: readonly (readonly [string, string])[] = [
  ["kube-system", "cilium"],
  ["openebs", "openebs"],
  ["rook-ceph", "rook-ceph"],
  ["rook-ceph", "rook-ceph-cluster"],
];
let server: Started;

beforeAll(async () => {
  await awaitK0s();
  await awaitFlux();
  await releaseHosts();
  await serveCharts();
  const { code, text } = await lab(["gitops", tree]);
  if (code !== 0) throw new Error(text);
  git(tree, "init", "--quiet", "--initial-branch=main");
  git(tree, "add", "--all");
  git(tree, "commit", "--quiet", "--message", "the lab's tree");
  await site.use();
  await site.set({ ...clusterSite({ controllers: 1, workers: 2 }), gitops: gitOps() });
  const set = ["exec", "pulumi", "config", "set", "--secret", "giteaPassword", STACK];
  const secret = await lab(set, PASSWORD);
  if (secret.code !== 0) throw new Error(secret.text);
}, 3_600_000);
afterAll(async () => {
  await pulumi("destroy", "--yes", "--skip-preview", STACK);
  await pulumi("config", "rm", "giteaPassword", STACK);
  process.kill(-server.pid, "SIGTERM");
  rmSync(directory, { recursive: true, force: true });
  await site.restore();
});

async function serveCharts(): Promise<void> {
  const chart = join(PROJECT, "lab", "gitops", "charts", "gitea");
  await execute("helm", "package", chart, "--destination", charts);
  await execute("helm", "repo", "index", charts);
  const program = join(PROJECT, "tests", "lab", "chartRepository.mjs");
  server = start(["exec", "node", program, charts, String(CHART_PORT)], "", 0);
  await server.printed(/serving/);
}

function gitOps(): object {
  return {
    tree,
    path: "clusters/lab",
    repository: REPOSITORY,
    settings: { REGION: "lab", OSD_NODE: "w1" },
    flux: { manifests: "clusters/lab/flux-system/gotk-components.yaml" },
    seeds: {
      cilium: { helmRelease: "kube-system/cilium" },
      openebs: { helmRelease: "openebs/openebs" },
      rookCeph: {
        helmReleases: ["rook-ceph/rook-ceph", "rook-ceph/rook-ceph-cluster"],
        osds: 1,
      },
      gitea: { chart: chartOfGitea(), node: "w1" },
    },
  };
}

function chartOfGitea(): object {
  const text = readFileSync(
    join(PROJECT, "lab", "gitops", "charts", "gitea", "Chart.yaml"),
    "utf8",
  );
  const version = /^version: *(\S+)/m.exec(text)?.[1];
  return { repository: `http://127.0.0.1:${CHART_PORT}`, name: "gitea", version };
}

function git(repository: string, ...words: string[]): string {
  const identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"];
  const all = ["-C", repository, ...identity, ...words];
  return execFileSync("git", all, { encoding: "utf8", stdio: "pipe" }).trim();
}

const helmRelease = z.object({
  status: z.object({
    history: z.array(z.object({ version: z.number(), status: z.string(), chartName: z.string() })),
  }),
});

/** Revisions that helm-controller has made, the latest first. */
async function revisions(namespace: string, name: string): Promise<number[]> {
  const text = await kubectl("c1", `-n ${namespace} get helmrelease ${name} -o json`);
  return helmRelease.parse(JSON.parse(text)).status.history.map(({ version }) => version);
}

const workloads = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string(), generation: z.number() }) })),
});

/** Workloads of a namespace whose pods were made anew since their creation. */
async function changedWorkloads(namespace: string): Promise<string[]> {
  const kinds = "deployments,daemonsets,statefulsets";
  const text = await kubectl("c1", `-n ${namespace} get ${kinds} -o json`);
  return workloads
    .parse(JSON.parse(text))
    .items.filter(({ metadata }) => metadata.generation > 1)
    .map(({ metadata }) => metadata.name);
}

test("one up from bare hypervisors ends with Flux at the commit", async () => {
  await up();
  const revision = await kubectl(
    "c1",
    "-n flux-system get kustomization flux-system -o jsonpath={.status.lastAppliedRevision}",
  );
  expect(revision).toBe(`main@sha1:${git(tree, "rev-parse", "HEAD")}`);
}, 900_000);

test("helm-controller adopts each release by one revision, and no workload changes", async () => {
  for (const [namespace, name] of RELEASES) {
    await until(`the adoption of ${name}`, 120, async () =>
      (await revisions(namespace, name))[0] === 2 ? true : undefined,
    );
  }
  for (const namespace of ["openebs", "rook-ceph"]) {
    expect(await changedWorkloads(namespace)).toEqual([]);
  }
}, 600_000);

test("a second up has nothing to do, and records the adoption", async () => {
  await expectNoChanges();
  await up();
  const seeds = [...(await state()).values()].filter(({ type }) => String(type).endsWith(":Seed"));
  expect(seeds.map(({ outputs }) => outputs?.["owner"]).sort()).toEqual([
    ...RELEASES.map(() => "flux"),
    "pulumi",
  ]);
}, 600_000);

test("Flux upgrades Cilium by a commit, and the preview stays empty", async () => {
  await withGitea(async (url) => {
    const other = join(directory, "clone");
    await execute("git", "clone", "--quiet", `${url}/${REPOSITORY}.git`, other);
    const file = join(other, "infrastructure", "cilium.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("replicas: 1", "replicas: 2"));
    git(other, "commit", "--quiet", "--all", "--message", "two operators");
    await execute("git", "-C", other, "push", "--quiet");
  });
  await until("the new revision of Cilium", 180, async () =>
    ((await revisions("kube-system", "cilium"))[0] ?? 0) > 2 ? true : undefined,
  );
  await expectNoChanges();
}, 600_000);
