/** ClusterApi against a real HTTPS server at the endpoint. */
import { X509Certificate } from "node:crypto";
import type * as Net from "node:net";
import { bind } from "../../../../provider/lifecycle";
import { clusterApi } from "../../../../provider/resources/gitops/clusterApi";
import { identity, startApiServer } from "../cluster/kube/apiServer";
import type { ApiServer } from "../cluster/kube/apiServer";
import { contextWith } from "./gitServers";

/** In the server's certificate. Nothing is sent there: a route leads to the stand-in. */
const ENDPOINT = "198.18.0.21";
const mockRoute = { port: 0 };
jest.mock("node:net", () => {
  const net = jest.requireActual<typeof Net>("node:net");
  const connect = (to: unknown): Net.Socket => {
    expect(to).toMatchObject({ host: "198.18.0.21", port: 6443 });
    return net.connect(mockRoute.port, "127.0.0.1");
  };
  return { ...net, connect };
});

const wanted = {
  cluster: "production",
  endpoint: ENDPOINT,
  caFingerprint: new X509Certificate(identity.ca).fingerprint256,
};
jest.setTimeout(30_000);

const READY = { status: "ready" };

let said: string[];
let api: ApiServer;
const access = { identity: () => Promise.resolve(identity) };
const context = (workSeconds = 5) => ({ ...contextWith(access, said), workSeconds });

beforeEach(async () => {
  said = [];
  api = await startApiServer("kc1", ENDPOINT);
  api.answer = ({ path }) => [path === "/readyz" ? 200 : 404, "ok"];
  mockRoute.port = api.port;
});
afterEach(() => api.stop());
/** Nothing listens on that port. */
const withoutRoute = (): void => void (mockRoute.port = 1);

test("asks the API at its endpoint once, with our identity", async () => {
  expect(await clusterApi.observe(context(), wanted, READY)).toEqual(READY);
  expect(api.requests.map(({ path, user }) => [path, user])).toEqual([
    ["/readyz", "pulumi-microvm"],
  ]);
});

test("an API without a route is drift, said once, and an up fails", async () => {
  withoutRoute();
  expect(await clusterApi.observe(context(), wanted, undefined)).toBeUndefined();
  const seen = await clusterApi.observe(context(), wanted, READY);
  expect(seen).toEqual({ status: "unreachable" });
  expect(seen && clusterApi.drift(seen, wanted)).toEqual(["status"]);
  expect(said.join()).toMatch(/production: this machine can't reach the API at 198.18.0.21:6443/);
  await expect(clusterApi.converge(context(1), wanted, seen, READY)).rejects.toThrow(
    /timed out while waiting for the API at 198.18.0.21:6443; last error: .*ECONNREFUSED/,
  );
});

test("a preview without a route succeeds, and says what it shows", async () => {
  withoutRoute();
  const before = { inputs: wanted, state: { ...wanted, ...READY } };
  const outputs = await bind(clusterApi).update(context(), before, wanted, true);
  expect(outputs).toMatchObject(READY);
  expect(said.join()).toContain(
    "this preview shows what is recorded of the objects in the cluster",
  );
});

test("waits for an API that starts", async () => {
  let asked = 0;
  api.answer = () => [++asked < 2 ? 500 : 200, "ok"];
  expect(await clusterApi.converge(context(), wanted, undefined, undefined)).toEqual(READY);
  expect(asked).toBe(2);
});

test("another CA at the endpoint is an error also for what is recorded", async () => {
  const other = { ...wanted, caFingerprint: "AB:CD" };
  await expect(clusterApi.observe(context(), other, READY)).rejects.toThrow(
    /its CA is .* not AB:CD: this is another cluster/,
  );
});
