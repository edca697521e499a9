/**
 * The cluster as the provider sees it: one per provider process. It reads the identity once, goes
 * through whichever controller answers, and shares what it has observed, like the facts of a host.
 */
import { setMaxListeners } from "node:events";
import type { Duplex } from "node:stream";
import { isController } from "../../contract/names";
import { messageOf } from "../errors";
import type { Call } from "../hosts/operations/operation";
import { Limiter } from "../hosts/wait/limit";
import { Shared } from "../hosts/wait/shared";
import { Wait, within } from "../hosts/wait/wait";
import type { Limits } from "../hosts/wait/wait";
import type { ClusterConfig, ClusterMember } from "./config";
import { GUEST_SECONDS, presentedBy } from "./identity";
import type { Presented } from "./identity";
import type { ClusterGuest, Identity } from "./k0sGuest";
import { ApiConnection } from "./kube/connection";
import type { ApiAnswer, ApiRequest, Endpoint } from "./kube/connection";
import { KubeClient } from "./kube/client";
import { noAnswer } from "./kube/failure";
import type { KubeApi } from "./kube/client";
import { Controllers } from "./kube/controllers";
import { listEtcdMembers, listNodes } from "./kube/lists";
import { ObjectClient } from "./kube/objectClient";
import type { ObjectApi } from "./kube/objectClient";
import type { PodPort } from "./kube/portForward";
import type { EtcdMember } from "./kube/objects";
import { membersOf } from "./observed";
import type { Observed } from "./observed";
import type { ObservedMember } from "./members";

const READY_SECONDS = 10;
const LOOK_MS = 120_000;
/** How old a look may be for those that wait for a change. */
const FRESH_MS = 500;

export type Place = Pick<ClusterMember, "host" | "address">;

/** How the members are reached: the pool of hosts. */
export interface MemberHosts {
  guest(name: string, place: Place): ClusterGuest;
  /** A stream that the hypervisor of the place opens to its address. */
  stream(limits: Limits, place: Place, port: number): Promise<Duplex>;
  /** The site does not let the provider contact the host. */
  isClosed(host: string): boolean;
}

interface Opened extends Presented {
  controllers: Controllers;
  connections: ApiConnection[];
}

export class ClusterAccess {
  private readonly opened: Shared<Opened>;
  private readonly seen: Shared<Observed>;
  private readonly looked: Shared<ObservedMember[]>;
  /** When the last look began. */
  private lookedAt = 0;
  /** One controller at a time joins or leaves. */
  readonly memberships: Limiter;
  /** Members that are drained or leave. */
  readonly disruptions: Limiter;

  constructor(
    private readonly hosts: MemberHosts,
    readonly config: ClusterConfig,
  ) {
    const { name, maxUnavailable } = config;
    this.opened = new Shared(name, LOOK_MS, (wait) => this.open(callOf(wait)));
    this.seen = new Shared(name, LOOK_MS, (wait) => this.look(callOf(wait)));
    this.looked = new Shared(name, LOOK_MS, (wait) => this.lookAtMembers(callOf(wait)));
    this.memberships = new Limiter(1, `a change of the controllers of ${name}`);
    this.disruptions = new Limiter(maxUnavailable, `a drain in ${name}`);
  }

  /** Ours, from a controller that answers: once per process, in memory only. */
  async identity(call: Call): Promise<Identity> {
    return (await this.session(call)).identity;
  }

  /** The name of the controller that our identity is from. */
  async presenter(call: Call): Promise<string> {
    return (await this.session(call)).presenter;
  }

  /** A client with the limits of this call. */
  async api(call: Limits): Promise<KubeApi> {
    const { controllers } = await this.session(call);
    return KubeClient.over(controllers, call);
  }

  /** For objects that KubeApi does not have. Fails as KubeApi does. */
  async request(call: Limits, request: ApiRequest): Promise<ApiAnswer> {
    const { controllers } = await this.session(call);
    return controllers.request(call, request);
  }

  /** A stream to a port of a pod, through the API. */
  async forward(call: Limits, target: PodPort): Promise<Duplex> {
    const { controllers } = await this.session(call);
    return controllers.forward(call, target);
  }

  /** Objects of any kind, with the limits of this call. */
  objects(call: Limits): ObjectApi {
    return new ObjectClient(this, call);
  }

  /** A TCP stream to the API of a controller that answers. */
  async stream(call: Limits): Promise<Duplex> {
    const { controllers } = await this.session(call);
    return controllers.open(call);
  }

  /** Nodes and members of etcd, by one list call each for all resources, until `forget`. */
  observe(call: Limits): Promise<Observed> {
    return this.seen.join(new Wait(this.config.name, call));
  }

  /** By a look that has just begun. Many that wait share it. */
  observeAgain(call: Limits): Promise<Observed> {
    if (Date.now() - this.lookedAt > FRESH_MS) this.forget();
    return this.observe(call);
  }

  /** With a look at the guests of members that are down: what they have lost. */
  members(call: Limits): Promise<ObservedMember[]> {
    return this.looked.join(new Wait(this.config.name, call));
  }

  /** Drops what was observed: something was changed. */
  forget(): void {
    this.seen.forget();
    this.looked.forget();
  }

  guest(name: string, place: Place): ClusterGuest {
    return this.hosts.guest(name, place);
  }

  /** A controller with an API that answers, for k0s's own commands. Never the one named. */
  async survivor(call: Call, except: string): Promise<ClusterGuest> {
    const causes: string[] = [];
    for (const [name, member] of this.controllers().filter(([one]) => one !== except)) {
      const guest = this.guest(name, member);
      try {
        if ((await guest.read(within(call, GUEST_SECONDS))).isApiReady) return guest;
        causes.push(`${name}: its API does not answer`);
      } catch (error) {
        if (call.signal.aborted) throw error;
        causes.push(messageOf(error));
      }
    }
    throw noAnswer(this.config.name, causes);
  }

  close(): void {
    void this.opened.peek()?.then(
      ({ controllers }) => controllers.close(),
      () => undefined,
    );
  }

  private session(call: Limits): Promise<Opened> {
    return this.opened.join(new Wait(this.config.name, call));
  }

  private controllers(): [string, ClusterMember][] {
    return Object.entries(this.config.members).filter(
      ([, { role, host }]) => isController(role) && !this.hosts.isClosed(host),
    );
  }

  private async open(call: Call): Promise<Opened> {
    const guests = this.controllers().map(([name, member]) => this.guest(name, member));
    const { identity, presenter } = await presentedBy(call, this.config.name, guests);
    const connections = this.controllers().map(
      ([name, member]) => new ApiConnection(this.endpointOf(name, member), identity),
    );
    return {
      identity,
      presenter,
      connections,
      controllers: new Controllers(this.config.name, connections),
    };
  }

  private endpointOf(name: string, place: Place): Endpoint {
    const open: Endpoint["open"] = (limits, port) => this.hosts.stream(limits, place, port);
    return { name, address: place.address, open };
  }

  /** Two list calls, and one short question to each controller. */
  private async look(call: Call): Promise<Observed> {
    this.lookedAt = Date.now();
    const { identity, controllers, connections } = await this.session(call);
    const [nodes, etcd, answering] = await Promise.all([
      listNodes(controllers, call),
      listEtcdMembers(controllers, call),
      answeringOf(connections, call),
    ]);
    const left = this.leftTheSite(etcd, identity);
    const others = await answeringOf(left, call);
    for (const connection of left) connection.close();
    const vms = vmsByHostName(this.config);
    const vmOf = ({ name }: { name: string }): string => vms.get(name) ?? name;
    return {
      nodes: new Map(nodes.map((node) => [vmOf(node), node])),
      etcd: new Map(etcd.map((member) => [vmOf(member), member])),
      answering: new Set([...answering, ...others]),
    };
  }

  /** Controllers that the site has no more: reached through the hypervisor of another one. */
  private leftTheSite(etcd: readonly EtcdMember[], identity: Identity): ApiConnection[] {
    const host = this.controllers()[0]?.[1].host;
    const known = new Set(vmsByHostName(this.config).keys());
    if (host === undefined) return [];
    return etcd
      .filter(({ name, isJoined }) => isJoined && !known.has(name))
      .map(({ name, peerAddress: address }) => {
        return new ApiConnection(this.endpointOf(name, { host, address }), identity);
      });
  }

  private async lookAtMembers(call: Call): Promise<ObservedMember[]> {
    const observed = await this.observe(call);
    const members = membersOf(this.config, observed);
    return Promise.all(
      members.map(async (member) => {
        const configured = this.config.members[member.name];
        if (member.isHealthy || configured === undefined) return member;
        const guest = this.guest(member.name, configured);
        const facts = await guest.read(within(call, GUEST_SECONDS)).catch(() => undefined);
        return { ...member, hasLostData: facts?.hasData === false };
      }),
    );
  }
}

/** The names in Kubernetes and etcd -> the names of the VMs. */
function vmsByHostName({ members }: ClusterConfig): Map<string, string> {
  return new Map(Object.entries(members).map(([vm, { hostName }]) => [hostName ?? vm, vm]));
}

/** The names of the controllers whose API answers. */
async function answeringOf(connections: readonly ApiConnection[], call: Limits): Promise<string[]> {
  const names = await Promise.all(connections.map((one) => answers(one, call)));
  return names.flat();
}

async function answers(connection: ApiConnection, call: Limits): Promise<string[]> {
  try {
    const request = { method: "GET", path: "/readyz", headers: {} };
    const { status } = await connection.request(within(call, READY_SECONDS), request);
    return status === 200 ? [connection.endpoint.name] : [];
  } catch {
    return [];
  }
}

/** A call for all calls that wait for the result. */
function callOf(wait: Wait): Call {
  setMaxListeners(0, wait.signal);
  const deadline = Date.now() + wait.millisecondsLeft();
  return { urn: "", status: () => undefined, deadline, signal: wait.signal };
}
