/** The cluster seen through its controllers: what is read how often, and through whom. */
import { ClusterAccess } from "../../../../provider/cluster/access";
import { clusterSchema } from "../../../../provider/cluster/config";
import type { K0sFacts } from "../../../../provider/cluster/k0sGuest";
import { quorumOf } from "../../../../provider/cluster/members";
import { k0sNode } from "../../../../provider/resources/cluster/k0sNode";
import { contextOf } from "../context";
import { identity, startApiServer } from "./kube/apiServer";
import type { Answer, ApiServer, Request } from "./kube/apiServer";
import { EMPTY, GuestStandIn, wantedOf } from "./standIns";

const CONTROLLER: K0sFacts = {
  ...EMPTY,
  role: "controller",
  unit: "active",
  hasData: true,
  version: "v1.36.3+k0s.2",
  identity: { expires: identity.expires },
};
const ADDRESSES = ["198.18.0.21", "198.18.0.22"];
const call = () => contextOf("urn");

const config = clusterSchema.parse({
  name: "production",
  members: {
    kc1: { host: "hv1", address: ADDRESSES[0], role: "controller" },
    kc2: { host: "hv2", address: ADDRESSES[1], role: "controller" },
    kw1: { host: "hv1", address: "198.18.0.31", role: "worker", hostName: "worker-1" },
    kw2: { host: "hv2", address: "198.18.0.32", role: "worker" },
  },
  drain: {},
});

let servers: Map<string, ApiServer>;
let guests: Map<string, GuestStandIn>;
let access: ClusterAccess;
/** `HOST ADDRESS` of each stream. */
let streams: string[];
/** Addresses that nothing answers. */
let dead: Set<string>;
let closed: string;

const nodes = new Map([
  ["worker-1", "True"],
  ["kw2", "True"],
]);
const joined = (name: string, address: string): object => ({
  metadata: { name },
  status: {
    memberID: `id-${name}`,
    peerAddress: address,
    conditions: [{ type: "Joined", status: "True" }],
  },
});
let etcd: object[];

function answer({ path }: Request): Answer {
  if (path === "/readyz") return [200, "ok"];
  const items = path.includes("etcdmembers")
    ? etcd
    : [...nodes].map(([name, status]) => ({
        metadata: { name },
        status: { conditions: [{ type: "Ready", status }] },
      }));
  return [200, { items, metadata: {} }];
}

beforeEach(async () => {
  servers = new Map();
  for (const address of ADDRESSES) {
    const server = await startApiServer(address, address);
    server.answer = answer;
    servers.set(address, server);
  }
  guests = new Map(
    Object.entries(config.members).map(([name, { role }]) => [
      name,
      new GuestStandIn(name, role === "controller" ? CONTROLLER : { ...EMPTY, hasData: true }),
    ]),
  );
  streams = [];
  dead = new Set();
  closed = "";
  etcd = [joined("kc1", "198.18.0.21"), joined("kc2", "198.18.0.22")];
  nodes.set("worker-1", "True");
  access = new ClusterAccess(
    {
      guest: (name) => guests.get(name) ?? new GuestStandIn(name, EMPTY),
      stream(limits, { host, address }, port) {
        streams.push(`${host} ${address}`);
        const server = servers.get(address);
        if (server === undefined || dead.has(address)) {
          return Promise.reject(new Error("no route to host"));
        }
        return server.endpoint.open(limits, port);
      },
      isClosed: (host) => host === closed,
    },
    config,
  );
});
afterEach(async () => {
  access.close();
  for (const server of servers.values()) await server.stop();
});

function guest(name: string): GuestStandIn {
  const found = guests.get(name);
  if (found === undefined) throw new Error(`no guest ${name}`);
  return found;
}

const paths = (): string[] =>
  [...servers.values()].flatMap(({ requests }) => requests.map(({ path }) => path)).sort();
const LISTS = [
  "/api/v1/nodes?limit=500",
  "/apis/etcd.k0sproject.io/v1beta1/etcdmembers",
  "/readyz",
  "/readyz",
];

/** Jest compiles the modules of @kubernetes/client-node once, which takes seconds. */
const COMPILING_MS = 60_000;

beforeAll(() => import("@kubernetes/client-node"), COMPILING_MS);

test("all nodes share two list calls, one question to each controller, and one login", async () => {
  const looks = await Promise.all(Array.from({ length: 100 }, () => access.observe(call())));
  expect(new Set(looks).size).toBe(1);
  await access.members(call());
  expect(paths()).toEqual(LISTS);
  expect([...guests.values()].map(({ reads }) => reads)).toEqual([1, 0, 0, 0]);
  access.forget();
  await access.observe(call());
  expect(paths()).toEqual([...LISTS, ...LISTS].sort());
  expect([...guests.values()].map(({ reads }) => reads)).toEqual([1, 0, 0, 0]);
});

test("a pass over 100 nodes makes two list calls and contacts no guest of a worker", async () => {
  const names = Array.from({ length: 100 }, (_, index) => `node-${index + 1}`);
  for (const name of names) nodes.set(name, "True");
  const states = await Promise.all(
    names.map(async (name) => {
      const context = call();
      jest.spyOn(context.pool, "cluster").mockReturnValue(access);
      const wanted = wantedOf(name);
      await k0sNode.refuse?.(context, wanted, undefined, undefined, undefined);
      return k0sNode.observe(context, wanted, undefined);
    }),
  );
  for (const name of names) nodes.delete(name);
  expect(new Set(states.map((state) => state?.status))).toEqual(new Set(["ready"]));
  expect(paths()).toEqual(LISTS);
  expect([...guests.values()].map(({ reads }) => reads)).toEqual([1, 0, 0, 0]);
});

test("those that wait for a change share looks too", async () => {
  for (let count = 0; count < 5; count++) await access.observeAgain(call());
  expect(paths()).toEqual(LISTS);
});

test("members have the names of their VMs, and a verdict of their own", async () => {
  nodes.set("worker-1", "False");
  dead.add("198.18.0.22");
  const members = await access.members(call());
  const facts = { hasLostData: false, runs: undefined };
  expect(members).toEqual([
    { ...facts, name: "kc1", role: "controller", etcd: "voter", isHealthy: true },
    { ...facts, name: "kc2", role: "controller", etcd: "voter", isHealthy: false },
    { ...facts, name: "kw1", role: "worker", isHealthy: false },
    { ...facts, name: "kw2", role: "worker", isHealthy: true },
  ]);
  expect(quorumOf(members)).toEqual({ voters: 2, healthy: 1 });
});

test("only the guests of members that are down are asked what they have lost", async () => {
  nodes.set("worker-1", "False");
  guests.set("kw1", new GuestStandIn("kw1", EMPTY));
  dead.add("198.18.0.22");
  guest("kc2").isSilent = true;
  const members = await access.members(call());
  expect(members.filter(({ hasLostData }) => hasLostData).map(({ name }) => name)).toEqual(["kw1"]);
  expect(guests.get("kw2")?.reads).toBe(0);
});

test("a controller that has left the site is reached through another hypervisor", async () => {
  const server = await startApiServer("kc3", "198.18.0.22");
  servers.set("198.18.0.23", server);
  etcd.push(joined("kc3", "198.18.0.23"));
  const { answering } = await access.observe(call());
  // Its certificate is not valid for that address.
  expect([...answering]).toEqual(["kc1", "kc2"]);
  expect(streams).toContain("hv1 198.18.0.23");
});

test("the identity comes from a controller that has one", async () => {
  guest("kc1").facts = { ...CONTROLLER, identity: undefined };
  await access.identity(call());
  await access.identity(call());
  expect(
    [...guests.values()].flatMap(({ name, done }) => done.map((one) => `${name} ${one}`)),
  ).toEqual(["kc2 present identity"]);
  expect(await access.presenter(call())).toBe("kc2");
});

test("a read makes no identity: it says that none is there, and what makes one", async () => {
  guest("kc1").facts = { ...CONTROLLER, identity: undefined };
  guest("kc2").facts = { ...CONTROLLER, identity: { expires: new Date("2020-01-01") } };
  await expect(access.observe(call())).rejects.toMatchObject({
    reason: "unreachable",
    what:
      "production: its API cannot be read: kc1: it has no identity of the provider; " +
      "kc2: its identity has expired",
    remedy: "Run up: the update of K0sCluster makes an identity.",
  });
  expect([...guests.values()].flatMap(({ done }) => done)).not.toContain("ensure identity");
});

test("a controller that is silent, empty, or on a closed host is passed over", async () => {
  guest("kc1").isSilent = true;
  await access.identity(call());
  expect(guests.get("kc2")?.done).toEqual(["present identity"]);
});

test("a closed host is not contacted", async () => {
  closed = "hv1";
  const { answering } = await access.observe(call());
  expect([...answering]).toEqual(["kc2"]);
  expect(streams.filter((stream) => stream.startsWith("hv1"))).toEqual([]);
  expect(guests.get("kc1")?.reads).toBe(0);
});

test("the error says of each controller why it has no identity", async () => {
  guest("kc1").isSilent = true;
  guest("kc2").facts = { ...CONTROLLER, hasData: false };
  await expect(access.observe(call())).rejects.toMatchObject({
    reason: "unreachable",
    what:
      "production: no controller of the cluster answers: " +
      "kc1: no answer; kc2: it has no data of a cluster",
  });
  guest("kc2").facts = CONTROLLER;
  expect((await access.observe(call())).nodes.size).toBe(2);
});

test("a survivor is another controller with an API that answers", async () => {
  for (const name of ["kc1", "kc2"]) {
    guest(name).facts = { ...CONTROLLER, isApiReady: true };
  }
  expect((await access.survivor(call(), "kc1")).name).toBe("kc2");
  guest("kc2").facts = CONTROLLER;
  await expect(access.survivor(call(), "kc1")).rejects.toThrow("kc2: its API does not answer");
});
