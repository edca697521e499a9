/** The resources of the hand-over to Flux, by Pulumi's protocol: secrets, diffs, no cluster yet. */
import { Secret, UNKNOWN } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { ProviderProcess, failure } from "./providerProcess";

const CANARY = "hunter2-canary";
const seed: ValueMap = {
  directory: "/site/gitops",
  commit: "a".repeat(40),
  content: "b".repeat(40),
  branch: "main",
  repository: "platform/cluster",
  namespace: "gitea",
  service: "gitea-http",
  port: 3000,
  user: "gitops",
  password: new Secret(CANARY),
};
const seedState: ValueMap = { ...seed, status: "seeded", seeded: "a".repeat(40) };
const handOver: ValueMap = {
  namespace: "flux-system",
  gitRepository: "flux-system",
  kustomization: "flux-system",
  revision: "a".repeat(40),
};
const gate: ValueMap = {
  cluster: "production",
  endpoint: "192.0.2.20",
  caFingerprint: Array<string>(32).fill("AB").join(":"),
};

/** Its controller cannot be contacted. */
const config: ValueMap = {
  hosts: JSON.stringify({
    hv1: {
      address: "192.0.2.11",
      port: 22,
      user: "root",
      hostKey: "ssh-ed25519 AAAA",
      maintenance: true,
    },
  }),
  agent: "false",
  cluster: JSON.stringify({
    name: "production",
    members: { kc1: { host: "hv1", address: "192.0.2.21", role: "controller" } },
    maxUnavailable: 1,
    drain: {},
  }),
};

let provider: ProviderProcess;
beforeAll(async () => {
  provider = await ProviderProcess.start();
  await provider.configure(config);
});
afterAll(() => provider.stop());

test("the password stays secret, and faults do not show it", async () => {
  const { inputs, failures } = await provider.check("GitSeed", seed);
  expect(failures).toEqual([]);
  expect(inputs["password"]).toEqual(new Secret(CANARY));
  const wrong = await provider.check("GitSeed", { ...seed, repository: "cluster", port: 0 });
  expect(wrong.failures).toContain("repository: must be OWNER/NAME");
  expect(wrong.failures.map((text) => text.split(":")[0])).toEqual(["repository", "port"]);
  expect(wrong.failures.join()).not.toContain(CANARY);
});

test("a commit of equal content is no change, and other content is one", async () => {
  const moved = { ...seed, commit: "c".repeat(40), directory: "/other" };
  expect(await provider.diff("GitSeed", seedState, seed, moved)).toMatchObject({ some: false });
  const changed = { ...moved, content: "d".repeat(40) };
  const diff = await provider.diff("GitSeed", seedState, seed, changed);
  expect([diff.some, diff.replaces]).toEqual([true, []]);
});

test("a branch that lacks its seed, and an API without a route, are drift", async () => {
  const differs = await provider.diff("GitSeed", { ...seedState, status: "differs" }, seed, seed);
  expect(Object.keys(differs.changes)).toEqual(["status"]);
  const away = { ...gate, status: "unreachable" };
  const { changes } = await provider.diff("ClusterApi", away, gate, gate);
  expect(Object.keys(changes)).toEqual(["status"]);
});

test("without a cluster, creations can be previewed", async () => {
  const api = await provider.create("ClusterApi", gate, true);
  expect(api.properties).toMatchObject({ status: "ready" });
  const later = { ...handOver, revision: UNKNOWN };
  const { properties } = await provider.create("FluxHandOver", later, true);
  expect(properties["revision"]).toBe(UNKNOWN);
});

test("a cluster that is away is an error with the recorded state, never a deletion", async () => {
  const { message, initFailed } = await failure(
    provider.read("GitSeed", "gitea/gitea-http/platform/cluster", seed, seedState),
  );
  expect(message).toMatch(/production: no controller of the cluster answers/);
  expect(initFailed?.properties["password"]).toEqual(new Secret(CANARY));
  expect(message).not.toContain(CANARY);
});

test("removing them changes nothing, also without a cluster", async () => {
  await provider.remove("GitSeed", "x", seed);
  await provider.remove("FluxHandOver", "x", handOver);
  await provider.remove("ClusterApi", "x", gate);
});
