/** What a node reports of an API that answers with a failure: of the cluster, not of its host. */
import type { Notice } from "../../../../contract/notices";
import { ClusterAccess } from "../../../../provider/cluster/access";
import { clusterSchema } from "../../../../provider/cluster/config";
import { ApiFailure } from "../../../../provider/cluster/kube/failure";
import { InitFailed } from "../../../../provider/errors";
import { configSchema } from "../../../../provider/hosts/transport/config";
import { HostPool } from "../../../../provider/hosts/pool";
import { bind } from "../../../../provider/lifecycle";
import { k0sNode } from "../../../../provider/resources/cluster/k0sNode";
import { contextOf } from "../context";

const place = { host: "h", address: "192.0.2.31" };
const node = {
  ...place,
  machineId: "0".repeat(32),
  name: "kw1",
  hostName: "kw1",
  role: "worker",
  cluster: "production",
  labels: {},
  taints: [],
  closure: `/nix/store/${"0".repeat(32)}-system`,
  k0sUnit: "u",
  k0sVersion: "1.36.3+k0s.2",
};

test("a failure of the API is one of the cluster", async () => {
  const members = { kw1: { ...place, role: "worker" } };
  const cluster = clusterSchema.parse({ name: "production", members, drain: {} });
  const host = { address: "192.0.2.1", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" };
  const pool = new HostPool(configSchema.parse({ hosts: { h: host }, agent: false, cluster }));
  const failure = new ApiFailure(429, "TooManyRequests", "storage is (re)initializing");
  const observe = jest.spyOn(ClusterAccess.prototype, "observe").mockRejectedValue(failure);
  const notices: Notice[] = [];
  const context = contextOf("urn", { notice: (one) => notices.push(one) });
  const read = bind(k0sNode).read({ ...context, pool }, "production/kw1", node, node);
  await expect(read).rejects.toBeInstanceOf(InitFailed);
  expect(notices).toMatchObject([{ kind: "failure", host: "cluster production" }]);
  expect(JSON.stringify(notices)).toContain("TooManyRequests: storage is (re)initializing");
  observe.mockRestore();
});
