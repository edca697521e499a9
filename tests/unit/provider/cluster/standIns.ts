/** Stand-ins for a guest with k0s, and what tests of the cluster's members share. */
import type { ClusterGuest, K0sFacts } from "../../../../provider/cluster/k0sGuest";
import type { EtcdMember, KubeNode } from "../../../../provider/cluster/kube/objects";
import type { Observed } from "../../../../provider/cluster/observed";
import { ProviderError } from "../../../../provider/errors";
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

  async identity() {
    await this.step("identity");
    return identity;
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
