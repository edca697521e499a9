/** The client against real HTTPS servers: certificates, controllers that are down, limits. */
import { Duplex } from "node:stream";
import { ApiConnection } from "../../../../../provider/cluster/kube/connection";
import type { Endpoint } from "../../../../../provider/cluster/kube/connection";
import { KubeClient } from "../../../../../provider/cluster/kube/client";
import { Controllers } from "../../../../../provider/cluster/kube/controllers";
import { isConflict, isTooManyRequests } from "../../../../../provider/cluster/kube/failure";
import { listEtcdMembers } from "../../../../../provider/cluster/kube/lists";
import type { Pod } from "../../../../../provider/cluster/kube/objects";
import type { Limits } from "../../../../../provider/hosts/wait/wait";
import { identity, startApiServer } from "./apiServer";
import type { ApiServer } from "./apiServer";

// The client library takes seconds to load on a busy machine.
jest.setTimeout(60_000);

const servers: ApiServer[] = [];
const opened: Controllers[] = [];
afterEach(async () => {
  for (const controllers of opened.splice(0)) controllers.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function server(name: string, address: string, certificate?: string): Promise<ApiServer> {
  const api = await startApiServer(name, address, certificate);
  servers.push(api);
  return api;
}

const limits = (seconds = 20): Limits => ({
  deadline: Date.now() + seconds * 1000,
  signal: new AbortController().signal,
});

function controllersOf(endpoints: Endpoint[]): Controllers {
  const connections = endpoints.map((one) => new ApiConnection(one, identity, 2));
  const controllers = new Controllers("production", connections);
  opened.push(controllers);
  return controllers;
}

const clientOf = (endpoints: Endpoint[], within = limits()): Promise<KubeClient> =>
  KubeClient.over(controllersOf(endpoints), within);

const node = (name: string, more: object = {}): object => ({
  metadata: { name, resourceVersion: "7", labels: { a: "b" } },
  spec: { taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] },
  status: {
    conditions: [{ type: "Ready", status: "True" }],
    nodeInfo: { kubeletVersion: "v1.36.3+k0s" },
    addresses: [
      { type: "InternalIP", address: "198.18.0.31" },
      { type: "Hostname", address: "kw1" },
    ],
  },
  ...more,
});

const isDown: Endpoint = {
  name: "kc9",
  address: "198.18.0.29",
  open: () => Promise.reject(new Error("connect: no route to host")),
};

test("reads nodes in pages, with our certificate, over one connection", async () => {
  const api = await server("kc1", "198.18.0.21");
  api.answer = ({ path }) =>
    path.includes("continue=more")
      ? [200, { items: [node("kw2")], metadata: {} }]
      : [200, { items: [node("kw1")], metadata: { continue: "more" } }];
  const client = await clientOf([api.endpoint]);
  expect(await client.listNodes()).toEqual([
    {
      name: "kw1",
      isReady: true,
      isUnschedulable: false,
      labels: { a: "b" },
      annotations: {},
      taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }],
      addresses: ["198.18.0.31", "kw1"],
      resourceVersion: "7",
      version: "v1.36.3+k0s",
    },
    expect.objectContaining({ name: "kw2" }),
  ]);
  expect(api.requests.map(({ path, user }) => [path, user])).toEqual([
    ["/api/v1/nodes?limit=500", "pulumi-microvm"],
    ["/api/v1/nodes?limit=500&continue=more", "pulumi-microvm"],
  ]);
  expect(api.connections).toBe(1);
});

test("reads what k0s records of members of etcd, also without a status", async () => {
  const api = await server("kc1", "198.18.0.21");
  const status = {
    peerAddress: "198.18.0.21",
    memberID: "ab12",
    conditions: [{ type: "Joined", status: "True" }],
  };
  api.answer = () => [
    200,
    {
      items: [
        { metadata: { name: "kc1" }, spec: {}, status },
        { metadata: { name: "kc2" }, spec: { leave: true } },
      ],
    },
  ];
  const none = { peerAddress: "", memberId: "", message: "" };
  expect(await listEtcdMembers(controllersOf([api.endpoint]), limits())).toEqual([
    {
      ...none,
      name: "kc1",
      peerAddress: "198.18.0.21",
      memberId: "ab12",
      isJoined: true,
      isLeaving: false,
    },
    { ...none, name: "kc2", isJoined: false, isLeaving: true },
  ]);
});

test("patches are merge patches, and only have what changes", async () => {
  const api = await server("kc1", "198.18.0.21");
  api.answer = () => [200, node("kw1")];
  const client = await clientOf([api.endpoint]);
  await client.patchNode("kw1", { labels: { x: "1", y: null }, resourceVersion: "7" });
  await client.patchNode("kw1", { unschedulable: true });
  await client.setLeave("kc2", true);
  expect(api.requests.map(({ type }) => type)).toEqual(
    Array.from({ length: 3 }, () => "application/merge-patch+json"),
  );
  expect(api.requests.map(({ body }): unknown => JSON.parse(body))).toEqual([
    { metadata: { labels: { x: "1", y: null }, resourceVersion: "7" }, spec: {} },
    { metadata: {}, spec: { unschedulable: true } },
    { spec: { leave: true } },
  ]);
});

test("a refusal has Kubernetes' reason, and a deletion of what is gone succeeds", async () => {
  const api = await server("kc1", "198.18.0.21");
  const client = await clientOf([api.endpoint]);
  api.answer = () => [409, { reason: "Conflict", message: "the object has been modified" }];
  const failed: unknown = await client.patchNode("kw1", {}).catch((error: unknown) => error);
  expect(isConflict(failed)).toBe(true);
  expect(failed).toMatchObject({ reason: "Conflict", message: "the object has been modified" });
  api.answer = () => [429, { reason: "TooManyRequests", message: "budget" }];
  const pod: Pod = {
    namespace: "default",
    name: "web",
    uid: "u1",
    labels: {},
    isFinished: false,
    isTerminating: false,
    isMirror: false,
    controller: "ReplicaSet",
    emptyDirs: [],
  };
  expect(isTooManyRequests(await client.evict(pod).catch((error: unknown) => error))).toBe(true);
  expect(JSON.parse(api.requests.at(-1)?.body ?? "")).toMatchObject({
    deleteOptions: { preconditions: { uid: "u1" } },
  });
  api.answer = () => [404, { reason: "NotFound", message: "gone" }];
  await client.evict(pod);
  await client.deleteNode("kw1");
  await client.deleteEtcdMember("kc2");
  await client.deleteControlNode("kc2");
});

test("where one is down or has no etcd, another one answers and comes first", async () => {
  const [first, second] = [await server("kc1", "198.18.0.21"), await server("kc2", "198.18.0.22")];
  first.answer = () => [500, { message: "etcdserver: request timed out" }];
  second.answer = () => [200, { items: [], metadata: {} }];
  const client = await clientOf([isDown, first.endpoint, second.endpoint]);
  expect(await client.listNodes()).toEqual([]);
  expect(await client.listNodes()).toEqual([]);
  expect([first.requests.length, second.requests.length]).toEqual([1, 2]);
});

test("a read is repeated while the server prepares a new kind", async () => {
  const api = await server("kc1", "198.18.0.21");
  const busy = { reason: "TooManyRequests", message: "storage is (re)initializing" };
  api.answer = () => (api.requests.length < 2 ? [429, busy] : [200, { items: [], metadata: {} }]);
  expect(await (await clientOf([api.endpoint])).listNodes()).toEqual([]);
  expect(api.requests).toHaveLength(2);
});

test("the error names every controller if none answers", async () => {
  const api = await server("kc1", "198.18.0.21");
  api.answer = () => [503, "no etcd"];
  const client = await clientOf([isDown, api.endpoint]);
  await expect(client.listNodes()).rejects.toMatchObject({
    reason: "unreachable",
    what:
      "production: no controller of the cluster answers: " +
      "kc9: connect: no route to host; kc1: no etcd",
  });
});

test.each([
  ["of another cluster", "foreign", /self-signed|unable to verify/],
  ["of another address", "elsewhere", /198\.18\.0\.21 is not in the cert's list/],
])("a server with a certificate %s gets no request", async (_, certificate, words) => {
  const api = await server("kc1", "198.18.0.21", certificate);
  const client = await clientOf([api.endpoint]);
  await expect(client.listNodes()).rejects.toThrow(words);
  expect(api.requests).toEqual([]);
});

test("a server that never answers the handshake ends at the limit of a connection", async () => {
  const hole = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const silent: Endpoint = { ...isDown, open: () => Promise.resolve(hole) };
  const since = Date.now();
  await expect((await clientOf([silent])).listNodes()).rejects.toThrow(
    "kc9: timed out while connecting to the API at 198.18.0.29:6443",
  );
  expect(Date.now() - since).toBeLessThan(10_000);
});

test("a request ends at the deadline of its call, and when it is cancelled", async () => {
  const api = await server("kc1", "198.18.0.21");
  api.answer = () => new Promise(() => undefined);
  await expect((await clientOf([api.endpoint], limits(1))).listNodes()).rejects.toMatchObject({
    reason: "deadline",
  });
  const cancelled = new AbortController();
  const client = await clientOf([api.endpoint], { ...limits(), signal: cancelled.signal });
  const listing = client.listNodes();
  setTimeout(() => cancelled.abort(), 300);
  await expect(listing).rejects.toMatchObject({ reason: "cancelled" });
});

test("a connection that breaks is opened again", async () => {
  const api = await server("kc1", "198.18.0.21");
  api.answer = () => [200, { items: [], metadata: {} }];
  const streams: { destroy(): void }[] = [];
  const open: Endpoint["open"] = async (within, port) => {
    const stream = await api.endpoint.open(within, port);
    streams.push(stream);
    return stream;
  };
  const client = await clientOf([{ ...api.endpoint, open }]);
  await client.listNodes();
  for (const stream of streams) stream.destroy();
  await new Promise((done) => setTimeout(done, 50));
  expect(await client.listNodes()).toEqual([]);
  expect(streams).toHaveLength(2);
});
