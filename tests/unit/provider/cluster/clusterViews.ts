/** Controllers as K0sCluster reads them, without guests. */
import type { K0sFacts } from "../../../../provider/hosts/facts/k0sFacts";
import { makeRecord } from "../../../../provider/ownership";
import type { Seen, View } from "../../../../provider/resources/cluster/clusterView";
import type { Inputs } from "../../../../provider/resources/cluster/k0sClusterState";
import { CA_FINGERPRINT } from "../../../scripts/fakeK0s";
import { EMPTY as WORKER } from "./standIns";

const NODE = "urn:pulumi:lab::pulumi-microvm::microvm:index:K0sNode::kc1";
const closure = `/nix/store/${"0".repeat(32)}-system`;
export const address = (index: number): string => `192.0.2.${20 + index}`;

export function wanted(controllers: number, workers = 0, more: Partial<Inputs> = {}): Inputs {
  const member = (role: "controller" | "worker", index: number) => ({
    host: "hv1",
    address: address(index),
    role,
    closure,
    k0sUnit: "u",
    k0sVersion: "1.36.3+k0s.2",
  });
  const names = (count: number, prefix: string): string[] =>
    Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
  const members = [
    ...names(controllers, "kc").map((name, i) => [name, member("controller", i + 1)] as const),
    ...names(workers, "kw").map((name, i) => [name, member("worker", i + 11)] as const),
  ];
  return {
    name: "production",
    endpoint: "192.0.2.20",
    sans: [],
    podNetwork: "10.244.0.0/16",
    serviceNetwork: "10.96.0.0/12",
    nodeLocalLoadBalancing: true,
    maxUnavailable: 1,
    members: Object.fromEntries(members),
    ...more,
  };
}

export const EMPTY: K0sFacts = { ...WORKER, role: "controller" };
export const RUNNING: K0sFacts = {
  ...EMPTY,
  unit: "active",
  hasData: true,
  record: makeRecord(NODE, { cluster: "production" }),
  caFingerprint: CA_FINGERPRINT,
  version: "v1.36.3+k0s.2",
  isApiReady: true,
  identity: { expires: new Date("2126-01-01") },
};

export type Given = Partial<K0sFacts> | "no VM" | "stopped" | "silent";

/** The controllers kc1, kc2, ... as they were read. `running`: etcd lists them all. */
export function view(given: Given[], more: Partial<View> = {}): View {
  const members = wanted(given.length).members;
  const peers = Object.fromEntries(
    given.map((_, index) => [`kc${index + 1}`, `https://${address(index + 1)}:2380`]),
  );
  const controllers = given.map((one, index): Seen => {
    const name = `kc${index + 1}`;
    const member = members[name];
    if (member === undefined) throw new Error(name);
    const base = { ...member, name, k0s: undefined, absence: undefined, error: undefined };
    if (typeof one === "string") return { ...base, absence: one, error: new Error("no answer") };
    const etcdMembers = one.isApiReady === true ? (one.etcdMembers ?? peers) : undefined;
    return { ...base, k0s: { ...EMPTY, ...one, etcdMembers } };
  });
  return { controllers, founder: undefined, ...more };
}
