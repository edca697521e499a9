/**
 * Members of a cluster as the engine asks for them: through the hypervisor, by the API of whichever
 * controller answers, and with one login to a guest. What cannot be read stays as it was recorded.
 */
import { X509Certificate } from "node:crypto";
import { makeKubeconfig } from "../../provider/cluster/kubeconfig";
import { makeRecord } from "../../provider/ownership";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { identity, startApiServer } from "../unit/provider/cluster/kube/apiServer";
import type { ApiServer, Request } from "../unit/provider/cluster/kube/apiServer";
import { configOf, storePath } from "./inputs";
import { ProviderProcess, failure, urn } from "./providerProcess";
import { MACHINE_ID, answerWell, keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";
import { vmsFacts } from "./vmFacts";

const operator = keyPair();
const ADDRESSES = { kc1: "198.18.0.21", kc2: "198.18.0.22", kw1: "198.18.0.31" };
type Name = keyof typeof ADDRESSES;
const NAMES = ["kc1", "kc2", "kw1"] as const;
const CONTROLLERS = ["kc1", "kc2"] as const;

const memberOf = (name: Name) => ({
  host: "hv1",
  address: ADDRESSES[name],
  role: name === "kw1" ? "worker" : "controller",
});
const runs = { closure: storePath("system"), k0sUnit: "u", k0sVersion: "1.36.3+k0s.2" };
const members = Object.fromEntries(NAMES.map((name) => [name, memberOf(name)]));

const inputsOf = (name: Name, more: ValueMap = {}): ValueMap => ({
  ...memberOf(name),
  ...runs,
  machineId: MACHINE_ID,
  name,
  hostName: name,
  cluster: "production",
  labels: {},
  taints: [],
  ...more,
});
const stateOf = (name: Name): ValueMap => ({
  ...inputsOf(name),
  status: "ready",
  memberId: name === "kw1" ? "" : `id-${name}`,
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const fingerprint = new X509Certificate(identity.ca).fingerprint256;

const cluster: ValueMap = {
  name: "production",
  endpoint: "198.18.0.21",
  sans: [],
  podNetwork: "10.244.0.0/16",
  serviceNetwork: "10.96.0.0/12",
  nodeLocalLoadBalancing: true,
  maxUnavailable: 1,
  members: Object.fromEntries(NAMES.map((name) => [name, { ...memberOf(name), ...runs }])),
};
const recorded: ValueMap = {
  ...cluster,
  caFingerprint: fingerprint,
  founder: "kc1",
  kubeconfig: new Secret(makeKubeconfig("production", "https://198.18.0.21:6443", identity)),
  kubeconfigStatus: "valid",
  unavailable: {},
  ownership: "owned",
};

let host: ScriptedHost;
let guests: Record<Name, ScriptedHost>;
let servers: ApiServer[];
let provider: ProviderProcess;
let hasIdentity: boolean;
let ready: string;

function guestFacts(name: Name): string[] {
  const isController = name !== "kw1";
  const etcd = Object.fromEntries(
    CONTROLLERS.map((one) => [one, `https://${ADDRESSES[one]}:2380`]),
  );
  const k0s = {
    role: memberOf(name).role,
    cluster: "production",
    unit: "active",
    data: "yes",
    token: "dummy",
    record: makeRecord(urn("K0sNode"), { cluster: "production" }),
    ca: base64(identity.ca),
    version: "v1.36.3+k0s.2",
    ...(isController && { api: "yes", members: JSON.stringify({ members: etcd }) }),
    ...(isController && hasIdentity && { identity: base64(identity.cert) }),
  };
  return [
    `machine-id\t${"b".repeat(32)}`,
    `hostname\t${name}`,
    `clock\t${Math.round(Date.now() / 1000)}`,
    "taken\t100",
    "boot-id\t0-1",
    `system\t${storePath("system")}`,
    ...Object.entries(k0s).map(([key, value]) => `k0s\t${key}\t${value}`),
    "probed",
  ];
}

function serveGuest(name: Name): void {
  const guest = guests[name];
  guest.onExec = (exec) => {
    guest.facts = guestFacts(name);
    if (!exec.stdin.includes('fact key "$(base64')) {
      answerWell(guest)(exec);
      return;
    }
    const { ca, cert, key } = identity;
    const shown = hasIdentity ? { ca, certificate: cert, key } : {};
    const lines = Object.entries(shown).map(([field, text]) => `${field}\t${base64(text)}`);
    exec.answer(["data\tyes", ...lines, `${exec.nonce} done`], 0);
  };
}

const node = () => ({
  metadata: { name: "kw1", resourceVersion: "1" },
  status: { conditions: [{ type: "Ready", status: ready }] },
});

function answer({ path, method }: Request): [number, object | string] {
  if (path === "/readyz") return [200, "ok"];
  if (method === "PATCH") return [200, node()];
  const etcd = CONTROLLERS.map((name) => ({
    metadata: { name },
    status: {
      memberID: `id-${name}`,
      peerAddress: ADDRESSES[name],
      conditions: [{ type: "Joined", status: "True" }],
    },
  }));
  return [200, { items: path.includes("etcdmembers") ? etcd : [node()], metadata: {} }];
}

beforeEach(async () => {
  [hasIdentity, ready] = [true, "True"];
  host = await startScriptedHost(operator.publicKey);
  const [kc1, kc2, kw1] = await Promise.all(NAMES.map(() => startScriptedHost(operator.publicKey)));
  if (kc1 === undefined || kc2 === undefined || kw1 === undefined) throw new Error("no guests");
  guests = { kc1, kc2, kw1 };
  for (const name of NAMES) {
    host.tunnels.set(`${ADDRESSES[name]}:22`, guests[name].port);
    serveGuest(name);
  }
  host.facts = vmsFacts(
    NAMES.map((name) => ({ name, phase: "ready", hostKey: guests[name].hostKey })),
  );
  servers = await Promise.all(CONTROLLERS.map((name) => startApiServer(name, ADDRESSES[name])));
  for (const server of servers) {
    server.answer = answer;
    host.tunnels.set(`${server.address}:6443`, server.port);
  }
  provider = await ProviderProcess.start();
  const config = { name: "production", members, maxUnavailable: 1, drain: {} };
  await provider.configure({ ...configOf(host, operator), cluster: JSON.stringify(config) });
});
afterEach(async () => {
  await provider.stop();
  for (const server of servers) await server.stop();
  for (const guest of Object.values(guests)) await guest.stop();
  await host.stop();
});

const readNode = (name: Name) =>
  provider.read("K0sNode", `production/${name}`, inputsOf(name), stateOf(name));
const logins = (): number[] => NAMES.map((name) => guests[name].counts.authentications);
const operations = (): string[] => Object.values(guests).flatMap((one) => one.operations);

test("a pass over the cluster logs in to one controller, and to the hypervisor once", async () => {
  const read = await Promise.all([
    provider.read("K0sCluster", "production", cluster, recorded),
    ...NAMES.map(readNode),
  ]);
  expect(read.map(({ properties }) => properties)).toEqual([recorded, ...NAMES.map(stateOf)]);
  expect(logins()).toEqual([1, 0, 0]);
  expect(host.counts.connections).toBe(1);
  const paths = servers.flatMap(({ requests }) => requests.map(({ path }) => path));
  expect(paths.map((path) => path.replace(/\?.*/, "")).sort()).toEqual([
    "/api/v1/nodes",
    "/apis/etcd.k0sproject.io/v1beta1/etcdmembers",
    ...CONTROLLERS.map(() => "/readyz"),
  ]);
  expect(operations()).toEqual([]);
});

test("while a controller is away, each of the others is looked at", async () => {
  host.tunnels.delete(`${ADDRESSES.kc2}:6443`);
  const { properties } = await provider.read("K0sCluster", "production", cluster, recorded);
  expect(properties).toEqual(recorded);
  expect(logins()).toEqual([1, 1, 0]);
});

test("a node that is not Ready is drift", async () => {
  ready = "False";
  const { properties } = await readNode("kw1");
  expect(properties["status"]).toBe("not ready");
  const diff = await provider.diff("K0sNode", properties, inputsOf("kw1"), inputsOf("kw1"));
  expect(Object.keys(diff.changes)).toEqual(["status"]);
});

test("without an identity a read and a preview make none, and the state stays", async () => {
  hasIdentity = false;
  const failed = await failure(readNode("kw1"));
  expect(failed.message).toContain("kc1: it has no identity of the provider");
  expect(failed.message).toContain("Run up: the update of K0sCluster makes an identity.");
  expect(failed.initFailed).toMatchObject({ id: "production/kw1", properties: stateOf("kw1") });
  await provider.create("K0sNode", inputsOf("kw1"), true);
  const { properties } = await provider.read("K0sCluster", "production", cluster, recorded);
  expect(properties["kubeconfigStatus"]).toBe("lost");
  expect(operations()).toEqual([]);
});

test("an API that does not answer leaves the recorded state", async () => {
  for (const server of servers) host.tunnels.delete(`${server.address}:6443`);
  const failed = await failure(readNode("kw1"));
  expect(failed.message).toContain("production: no controller of the cluster answers");
  expect(failed.initFailed).toMatchObject({ properties: stateOf("kw1") });
});

test("a member that runs already is taken into the state, with its labels", async () => {
  const labels = { "example.org/disk": "nvme" };
  const { id } = await provider.create("K0sNode", inputsOf("kw1", { labels }), false, 60);
  expect(id).toBe("production/kw1");
  const patches = servers.flatMap(({ requests }) =>
    requests.filter(({ method }) => method === "PATCH"),
  );
  expect(patches.map(({ path, user }) => [path, user])).toEqual([
    ["/api/v1/nodes/kw1?fieldManager=pulumi-microvm", "pulumi-microvm"],
  ]);
  expect(patches[0]?.body).toContain('"example.org/disk":"nvme"');
});
