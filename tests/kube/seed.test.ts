/** `Seed` with the real Helm against a real API server. */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InitFailed } from "../../provider/errors";
import { recordPath } from "../../provider/gitops/helm/release";
import { ownerLabels } from "../../provider/gitops/ownership";
import { Secret } from "../../provider/wire";
import { Seeds, URN, bound, failed, until } from "./seeds";

const CANARY = "hunter2-canary";

let seeds: Seeds;

beforeAll(async () => {
  seeds = await Seeds.start();
});
afterAll(() => seeds.stop());

const runs = (): number => readFileSync(seeds.helm.notes, "utf8").match(/^helm /gm)?.length ?? 0;

async function dataOf(name: string): Promise<unknown> {
  const path = `/api/v1/namespaces/${name}/configmaps/${name}`;
  return (await seeds.cluster.objects.get(path))?.["data"];
}

test("an absent release is installed by server-side apply, and is ours", async () => {
  const state = await seeds.create("a", seeds.wanted("a"));
  expect(state).toMatchObject({ owner: "pulumi", status: "deployed", revision: 1 });
  const found = await seeds.record("a", 1);
  expect(found?.labels).toMatchObject(ownerLabels(URN));
  expect(found?.manifest).toContain("image: example.com/demo:1.0.0");
  const deployment = await seeds.cluster.objects.get("/apis/apps/v1/namespaces/a/deployments/a");
  expect(deployment?.metadata["managedFields"]).toMatchObject([
    { manager: "helm", operation: "Apply" },
  ]);
  expect(state["generations"]).toEqual({ "Deployment a/a": 1 });
});

test("a pass with nothing to do runs no helm and makes two list calls", async () => {
  const state = await seeds.create("b", seeds.wanted("b"));
  const before = runs();
  expect(await seeds.read("b", state)).toEqual(state);
  expect(seeds.cluster.requests.sort()).toEqual([
    "GET /api/v1/secrets",
    "GET /apis/helm.toolkit.fluxcd.io/v2/helmreleases",
  ]);
  const news = seeds.wanted("b");
  expect([...bound.diff(state, news, news, []).keys()]).toEqual([]);
  await seeds.create("b", news);
  expect(runs()).toBe(before);
  expect(await seeds.record("b", 2)).toBeUndefined();
});

test("a change is explained by object, without values, and upgraded", async () => {
  const state = await seeds.create("c", seeds.wanted("c", {}, { password: "old-secret" }));
  const news = seeds.wanted("c", seeds.chart("1.1.0"), { greeting: "bye", password: CANARY });
  seeds.said.length = 0;
  const predicted = await seeds.update("c", state, news, true);
  expect(predicted).toMatchObject({ status: "deployed" });
  const line = seeds.said.join("\n");
  expect(line).toContain("upgrade of revision 1 to chart demo 1.1.0");
  expect(line).toContain("~ ConfigMap c/c: data.greeting");
  expect(line).toContain("~ Secret c/c: data.password");
  expect(line).toMatch(/~ Deployment c\/c: spec\.template.*image \(its pods restart\)/);
  expect(line).not.toContain("bye");
  expect(await seeds.record("c", 2)).toBeUndefined();
  expect(await seeds.update("c", state, news)).toMatchObject({ status: "deployed", revision: 2 });
  expect(await dataOf("c")).toEqual({ greeting: "bye" });
  expect((await seeds.record("c", 2))?.labels).toMatchObject(ownerLabels(URN));
});

test("empty values do not keep those of before", async () => {
  const state = await seeds.create("d", seeds.wanted("d", {}, { greeting: "bye" }));
  await seeds.update("d", state, seeds.wanted("d"));
  expect(await dataOf("d")).toEqual({ greeting: "hello" });
});

test("a release that was killed half-way is unlocked and upgraded", async () => {
  const slow = seeds.wanted("e", {}, { hook: true });
  const work = failed(bound.create(seeds.pass("e"), slow, false));
  await until(async () => (await seeds.record("e", 1))?.status === "pending-install");
  await until(async () => (await jobsIn("e")) === 1);
  execFileSync("kill", ["-KILL", String(helmOf("e"))]);
  await work;
  const state = await seeds.read("e", slow);
  expect(state).toMatchObject({ owner: "pulumi", status: "pending" });
  seeds.said.length = 0;
  await seeds.update("e", state ?? {}, seeds.wanted("e"), true);
  expect(seeds.said.join()).toContain("revision 1 was interrupted; upgrade to chart demo 1.0.0");
  const repaired = await seeds.update("e", state ?? {}, seeds.wanted("e"));
  expect(repaired).toMatchObject({ status: "deployed", revision: 2 });
  expect(await seeds.record("e", 1)).toMatchObject({
    description: "Release unlocked from stale 'pending-install' state",
    chart: { name: "demo" },
  });
});

test("a release that failed is recorded, and upgraded by the next run", async () => {
  const error = await failed(seeds.create("f", seeds.wanted("f", {}, { refused: "NO_NAME" })));
  expect(error.message).toContain("NO_NAME");
  if (!(error instanceof InitFailed)) throw new Error("nothing was recorded");
  expect(error.properties).toMatchObject({ status: "failed", revision: 1 });
  const state = await seeds.update("f", error.properties, seeds.wanted("f"));
  expect(state).toMatchObject({ status: "deployed", revision: 2 });
});

test("a cancelled installation is recorded as failed, and its directory is removed", async () => {
  const context = seeds.pass("g");
  const stop = new AbortController();
  const cancelled = { ...context, signal: stop.signal };
  const work = failed(bound.create(cancelled, seeds.wanted("g", {}, { hook: true }), false));
  await until(async () => (await jobsIn("g")) === 1);
  stop.abort();
  expect((await work).message).toContain("cancelled");
  expect((await seeds.record("g", 1))?.status).toBe("failed");
  expect(privateDirectories()).toEqual([]);
});

test("a release that nobody made here is refused, until it is imported", async () => {
  await seeds.byHand("h");
  const error = await failed(seeds.create("h", seeds.wanted("h"), true));
  expect(error.message).toContain("the Helm release h/h exists, and no stack has made it");
  const [, pairs = ""] = /kubectl label secret -n h \S+ (.*)/.exec(error.message) ?? [];
  expect((await failed(seeds.create("h", seeds.wanted("h")))).message).toContain(
    "no stack has made it",
  );
  expect(await seeds.record("h", 2)).toBeUndefined();
  const labels = Object.fromEntries(new URLSearchParams(pairs.replaceAll(" ", "&")));
  await seeds.cluster.request("PATCH", recordPath("h", "h", 1), { metadata: { labels } });
  expect(await seeds.create("h", seeds.wanted("h"))).toMatchObject({
    status: "deployed",
    revision: 1,
  });
});

test("a release of another stack is refused and named", async () => {
  await seeds.create("i", seeds.wanted("i"));
  const other = seeds.pass("i", { urn: URN.replace("prod", "dev") });
  const error = await failed(bound.create(other, seeds.wanted("i"), false));
  expect(error.message).toContain("the Helm release i/i belongs to the stack project/prod");
});

describe("secrets", () => {
  test("are in no argument, environment, error and plain state", async () => {
    const values = { password: CANARY, greeting: CANARY };
    const secret = new Secret(JSON.stringify(values));
    const error = await failed(seeds.create("j", seeds.wanted("j", { values: secret })));
    expect(error.message).toContain("greeting");
    expect(error.message).toContain("(hidden)");
    expect(error.message).not.toContain(CANARY);
    const good = new Secret(JSON.stringify({ password: CANARY }));
    const state = await seeds.create("j", seeds.wanted("j", { values: good }));
    expect(state["values"]).toEqual(good);
    expect(JSON.stringify({ ...state, values: "" })).not.toContain(CANARY);
    expect(seeds.said.join("\n")).not.toContain(CANARY);
    const notes = readFileSync(seeds.helm.notes, "utf8");
    expect(notes).toContain("helm install j");
    expect(notes).not.toContain(CANARY);
    // The search finds a secret where there is one.
    const made = await seeds.cluster.objects.get("/api/v1/namespaces/j/secrets/j");
    expect(made?.["data"]).toEqual({ password: Buffer.from(CANARY).toString("base64") });
  });

  test("of the identity are in a private directory, which is removed", () => {
    expect(readFileSync(seeds.helm.notes, "utf8")).toMatch(/^KUBECONFIG=.*pulumi-microvm-copy/m);
    expect(privateDirectories()).toEqual([]);
  });
});

describe("faults have one error and a remedy", () => {
  test.each([
    ["values that the schema refuses", {}, { greeting: 7 }, "Correct the values"],
    ["a kind without a CRD", {}, { unknownKind: true }, "The cluster lacks the CRDs"],
    [
      "a chart that is not there",
      { chart: { kind: "path", path: "/nonexistent", name: "demo", version: "1.0.0" } },
      {},
      "Correct the path",
    ],
    [
      "a repository that is away",
      { chart: { kind: "repository", url: "http://127.0.0.1:1", name: "x", version: "1.0.0" } },
      {},
      "Look whether this machine reaches the repository",
    ],
  ])("%s", async (_what, more, values, remedy) => {
    const error = await failed(seeds.create("k", seeds.wanted("k", more, values)));
    expect(error.message).toContain(remedy);
    expect(error.message).toMatch(/^k: installing chart/);
  });

  test("helm is missing, or too old", async () => {
    const missing = seeds.pass("k", { program: join(seeds.scratch, "no-helm") });
    expect((await failed(bound.create(missing, seeds.wanted("k"), false))).message).toContain(
      "Install Helm 4",
    );
    const old = join(seeds.scratch, "helm3");
    writeFileSync(old, "#!/bin/sh\necho v3.19.0+g1234567\n", { mode: 0o755 });
    const outdated = seeds.pass("k", { program: old });
    expect((await failed(bound.create(outdated, seeds.wanted("k"), false))).message).toContain(
      "is Helm v3.19.0+g1234567, and Helm 4 is required",
    );
  });
});

test("without a cluster that answers, a preview says what will be installed", async () => {
  const state = await seeds.create("l", seeds.wanted("l"));
  seeds.cluster.cut(true);
  seeds.said.length = 0;
  seeds.cluster.access.close();
  try {
    await seeds.create("m", seeds.wanted("m"), true);
    expect(seeds.said.join()).toContain(
      "chart demo 1.0.0 will be installed, once the cluster answers",
    );
    const error = await failed(bound.read(seeds.pass("l"), "", state, state));
    if (!(error instanceof InitFailed)) throw new Error("the state was lost");
    expect(error.properties).toMatchObject({ status: "deployed", revision: 1 });
    expect((await failed(seeds.create("m", seeds.wanted("m")))).message).toContain("no controller");
  } finally {
    seeds.cluster.cut(false);
  }
});

async function jobsIn(namespace: string): Promise<number> {
  return (await seeds.cluster.objects.list(`/apis/batch/v1/namespaces/${namespace}/jobs`)).length;
}

/** The process that works on the release. */
function helmOf(name: string): number {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  const found = pids.find((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return argv[0] === seeds.cluster.helm && argv[1] === "install" && argv[2] === name;
    } catch {
      return false;
    }
  });
  return Number(found);
}

const privateDirectories = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith(`pulumi-microvm-copy-${process.pid}-`));
