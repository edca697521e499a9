/** Stand-ins for a guest with k0s, and what tests of the cluster's members share. */
import { clusterSchema } from "../../../../provider/cluster/config";
import type { ClusterConfig } from "../../../../provider/cluster/config";
import type { ClusterGuest, K0sFacts } from "../../../../provider/cluster/k0sGuest";
import type { KubeApi } from "../../../../provider/cluster/kube/client";
import type { EtcdMember, KubeNode, Pod } from "../../../../provider/cluster/kube/objects";
import type { ObservedMember } from "../../../../provider/cluster/members";
import type { Observed } from "../../../../provider/cluster/observed";
import { ProviderError } from "../../../../provider/errors";
import type { NodeCluster } from "../../../../provider/resources/cluster/k0sNodeGate";
import { inputs } from "../../../../provider/resources/cluster/k0sNodeState";
import type { Inputs } from "../../../../provider/resources/cluster/k0sNodeState";
import { identity } from "./kube/apiServer";

export const EMPTY: K0sFacts = {
  role: "worker",
  cluster: "production",
  unit: "inactive",
  hasData: false,
  token: "none",
  mark: undefined,
  stopped: undefined,
  record: undefined,
  caFingerprint: undefined,
  identity: undefined,
  version: undefined,
  isApiReady: false,
  etcdMembers: undefined,
};

export function node(name: string, more: Partial<KubeNode> = {}): KubeNode {
  return {
    name,
    isReady: true,
    isUnschedulable: false,
    labels: {},
    annotations: {},
    taints: [],
    addresses: [],
    resourceVersion: "1",
    version: "v1.36.3+k0s",
    ...more,
  };
}

export function etcdMember(name: string, more: Partial<EtcdMember> = {}): EtcdMember {
  return {
    name,
    peerAddress: "",
    memberId: `id-${name}`,
    isJoined: true,
    isLeaving: false,
    message: "",
    ...more,
  };
}

export function observedOf(nodes: KubeNode[], etcd: EtcdMember[], answering: string[]): Observed {
  return {
    nodes: new Map(nodes.map((one) => [one.name, one])),
    etcd: new Map(etcd.map((one) => [one.name, one])),
    answering: new Set(answering),
  };
}

export class GuestStandIn implements ClusterGuest {
  /** What was done, in order. */
  readonly done: string[] = [];
  reads = 0;
  offset = 0;
  /** The guest does not answer. */
  isSilent = false;
  /** Called after each step, to change the facts. */
  after: (step: string) => void = () => undefined;

  constructor(
    readonly name: string,
    public facts: K0sFacts,
  ) {}

  async read(): Promise<K0sFacts> {
    await Promise.resolve();
    this.reads += 1;
    if (!this.isSilent) return this.facts;
    throw new ProviderError("unreachable", `${this.name}: no answer`);
  }
  readAgain = (): Promise<K0sFacts> => this.read();
  clockOffset = (): Promise<number> => Promise.resolve(this.offset);
  found = (): Promise<K0sFacts> => this.step("found");
  join = (_call: object, { token }: { token: string }): Promise<K0sFacts> =>
    this.step(`join ${token}`.trim());
  setAside = (): Promise<K0sFacts> => this.step("set aside");
  stopAndMask = (_call: object, reason = "it left"): Promise<K0sFacts> =>
    this.step(`stop: ${reason}`);

  owner = () => Promise.resolve(undefined);

  async ensureIdentity() {
    await this.step("ensure identity");
  }
  async presentIdentity() {
    const { hasData, identity: own } = await this.read();
    if (own !== undefined) await this.step("present identity");
    return { hasData, identity: own && { ...identity, expires: own.expires } };
  }
  async mintToken(_call: object, role: string): Promise<{ id: string; token: string }> {
    await this.step(`mint ${role}`);
    return { id: "abc123", token: "TOKEN" };
  }
  async invalidateToken(_call: object, role: string, id: string): Promise<void> {
    await this.step(`invalidate ${role} ${id}`);
  }
  async retireToken(): Promise<void> {
    await this.step("retire token");
  }
  async etcdLeave(_call: object, peerAddress: string): Promise<void> {
    await this.step(`etcd leave ${peerAddress}`);
  }

  private async step(what: string): Promise<K0sFacts> {
    await Promise.resolve();
    this.done.push(what);
    this.after(what);
    return this.facts;
  }
}

/** A cluster that tests change by hand. `done`: the calls that change something. */
export class ClusterStandIn implements NodeCluster {
  readonly done: string[] = [];
  readonly config: ClusterConfig = clusterSchema.parse({
    name: "production",
    members: {},
    drain: {},
  });
  pods: Pod[] = [];
  /** Called after each change. */
  after: (call: string) => void = () => undefined;

  constructor(
    public observed: Observed,
    public healthy: ObservedMember[],
    readonly controller: GuestStandIn,
  ) {}

  identity = () => Promise.resolve(identity);
  observe = () => Promise.resolve(this.observed);
  observeAgain = () => Promise.resolve(this.observed);
  members = () => Promise.resolve(this.healthy);
  survivor = () => Promise.resolve(this.controller);
  forget = () => undefined;
  api = () => Promise.resolve(this.kube);

  readonly kube: KubeApi = {
    listNodes: () => Promise.resolve([...this.observed.nodes.values()]),
    patchNode: async (name, { unschedulable }) => {
      await this.call(unschedulable === true ? `cordon ${name}` : `patch ${name}`);
      return node(name);
    },
    deleteNode: (name) => this.call(`delete node ${name}`),
    setLeave: (name, leave) => this.call(`leave ${name} ${String(leave)}`),
    deleteEtcdMember: (name) => this.call(`delete etcd member ${name}`),
    deleteControlNode: (name) => this.call(`delete control node ${name}`),
    listPods: () => Promise.resolve(this.pods),
    listBudgets: () => Promise.resolve([]),
    evict: ({ name }) => {
      this.pods = this.pods.filter((pod) => pod.name !== name);
      return this.call(`evict ${name}`);
    },
  };

  private async call(what: string): Promise<void> {
    await Promise.resolve();
    this.done.push(what);
    this.after(what);
  }
}

/** A member as `ClusterAccess.members` has it. */
export const member = (name: string, more: Partial<ObservedMember> = {}): ObservedMember => ({
  name,
  role: "controller",
  etcd: "voter",
  isHealthy: true,
  hasLostData: false,
  runs: undefined,
  ...more,
});

/** The inputs of a `K0sNode`: a worker, if nothing else is said. */
export function wantedOf(name: string, more: Partial<Inputs> = {}): Inputs {
  return inputs.parse({
    host: "h",
    machineId: "0123456789abcdef0123456789abcdef",
    name,
    hostName: name,
    address: "198.18.0.31",
    role: "worker",
    cluster: "production",
    closure: `/nix/store/${"0".repeat(32)}-system`,
    k0sUnit: "u",
    k0sVersion: "1.36.3+k0s.2",
    ...more,
  });
}
