/** The machines of one provider process. Each has one connection and one probe. */
import { ClusterAccess } from "../cluster/access";
import type { MemberHosts } from "../cluster/access";
import { K0sGuest } from "../cluster/k0sGuest";
import { ProviderError } from "../errors";
import { GitOps } from "../gitops/releases";
import { Directories } from "./directories";
import { Trials } from "./operations/trials";
import { GUEST_PROBE } from "./facts/guestFacts";
import type { GuestFacts } from "./facts/guestFacts";
import { HOST_PROBE } from "./facts/hostFacts";
import type { HostFacts } from "./facts/hostFacts";
import { HostFailures } from "./failures";
import type { GuestAddress } from "./guest";
import { GuestLogin } from "./guestLogin";
import { Host } from "./host";
import type { Hypervisor } from "./host";
import { hostConfig, nameOf } from "./transport/config";
import type { HostConfig, ProviderConfig } from "./transport/config";
import { connect } from "./transport/connection";
import { Transport } from "./transport/transport";
import { Limiter } from "./wait/limit";

const BUILDS_AT_ONCE = 2;
/** Each copy asks the host which paths it lacks. Parallel copies would send shared paths twice. */
const COPIES_PER_HOST = 1;
/** Long work on images leaves SSH sessions for everything else. */
const VOLUMES_PER_HOST = 3;

/** Limits of one provider process for one host. */
export interface HostLimits {
  /** VMs that start, stop or restart. */
  vms: Limiter;
  /** Operations on images. */
  volumes: Limiter;
  builds: Limiter;
  copies: Limiter;
}

interface KnownGuest {
  host: Host<GuestFacts>;
  login: GuestLogin;
}

/** How the site closes a host: `maintenance: true` or `forget: true`. */
export type Closed = "in maintenance" | "forgotten";

export class HostPool {
  private readonly hypervisors = new Map<string, Hypervisor>();
  /** Machines by the name of their hypervisor, and guests by `NAME@ADDRESS`. */
  private readonly guests = new Map<string, Map<string, KnownGuest>>();
  private readonly limits = new Map<string, HostLimits>();
  private readonly directoriesOf = new Map<string, Directories>();
  /** Machine-id -> the name under which it was found first. */
  private readonly machines = new Map<string, string>();
  /** Builds on the operator's machine. */
  readonly builds = new Limiter(BUILDS_AT_ONCE, "a build slot on this machine");
  readonly failures = new HostFailures();
  /** Switches and reboots of the hosts' own systems. */
  readonly trials = new Trials();

  private access: ClusterAccess | undefined;
  private addOns: GitOps | undefined;

  constructor(readonly config: ProviderConfig) {}

  /** The cluster of the configuration. */
  cluster(): ClusterAccess {
    if (this.access !== undefined) return this.access;
    const { cluster } = this.config;
    if (cluster !== undefined) return (this.access = new ClusterAccess(this.members(), cluster));
    throw new ProviderError(
      "input",
      "the provider's configuration has no cluster",
      "Keep `cluster` in the site until an `up` has removed all members.",
    );
  }

  /** The Helm releases of the cluster. */
  gitOps(): GitOps {
    return (this.addOns ??= new GitOps(this.cluster(), this.config.helm));
  }

  private members(): MemberHosts {
    return {
      guest: (name, { host, address }) => new K0sGuest(this.guest(host, { name, address })),
      stream: (limits, { host, address }, port) =>
        this.get(host).stream({ urn: "", status: () => undefined, ...limits }, address, port),
      isClosed: (host) => this.closed(host) !== undefined,
    };
  }

  /** A hypervisor of the configuration, by its current or its former name. */
  get(oldOrNewName: string): Hypervisor {
    const name = nameOf(this.config, oldOrNewName);
    const known = this.hypervisors.get(name);
    if (known !== undefined) return known;
    const config = this.configOf(name);
    const transport = new Transport(name, config.user, (wait) =>
      connect(name, config, this.config, wait),
    );
    const waitSeconds = config.waitTimeoutSeconds;
    const onFacts = (facts: HostFacts): void => this.renewGuests(name, facts);
    const host = new Host<HostFacts>(transport, { probe: HOST_PROBE, waitSeconds, onFacts });
    this.hypervisors.set(name, host);
    return host;
  }

  configOf(name: string): HostConfig {
    return hostConfig(this.config, name);
  }

  /**
   * A guest as a host: logged in to as root, through the connection of its hypervisor. When the
   * connection is opened, the key from the hypervisor's probe is pinned.
   */
  guest(hypervisor: string, guest: GuestAddress): Host<GuestFacts> {
    const via = nameOf(this.config, hypervisor);
    const guests = this.guests.get(via) ?? new Map<string, KnownGuest>();
    this.guests.set(via, guests);
    const key = `${guest.name}@${guest.address}`;
    const known = guests.get(key);
    if (known !== undefined) return known.host;
    const login = new GuestLogin(this.get(hypervisor), guest, this.config);
    const transport = new Transport(guest.name, "root", (wait) => login.open(wait));
    const { waitTimeoutSeconds: waitSeconds } = this.configOf(hypervisor);
    const host = new Host<GuestFacts>(transport, { probe: GUEST_PROBE, waitSeconds });
    guests.set(key, { host, login });
    return host;
  }

  /** Closes the connection to a guest whose key has changed. */
  private renewGuests(hypervisor: string, facts: HostFacts): void {
    for (const { host, login } of this.guests.get(hypervisor)?.values() ?? []) {
      if (login.isStale(facts)) host.renew();
    }
  }

  directories(oldOrNewName: string): Directories {
    const host = this.get(oldOrNewName);
    const known = this.directoriesOf.get(host.name) ?? new Directories(host);
    this.directoriesOf.set(host.name, known);
    return known;
  }

  limitsOf(oldOrNewName: string): HostLimits {
    const name = nameOf(this.config, oldOrNewName);
    const known = this.limits.get(name);
    if (known !== undefined) return known;
    const limits = {
      vms: new Limiter(this.configOf(name).parallelism, `a slot for VMs on ${name}`),
      volumes: new Limiter(VOLUMES_PER_HOST, `a slot for volumes on ${name}`),
      builds: new Limiter(BUILDS_AT_ONCE, `a build slot on ${name}`),
      copies: new Limiter(COPIES_PER_HOST, `a slot for copies to ${name}`),
    };
    this.limits.set(name, limits);
    return limits;
  }

  /** The other name under which this machine was found before. */
  sameMachine(oldOrNewName: string, machineId: string): string | undefined {
    const name = nameOf(this.config, oldOrNewName);
    const first = this.machines.get(machineId) ?? name;
    this.machines.set(machineId, first);
    return first === name ? undefined : first;
  }

  /** The present names of the hosts of the configuration. */
  names(): string[] {
    return Object.keys(this.config.hosts);
  }

  nameOf(oldOrNewName: string): string {
    return nameOf(this.config, oldOrNewName);
  }

  /** Why the provider may not contact the host. Undefined: it may. */
  closed(name: string): Closed | undefined {
    const host = this.config.hosts[nameOf(this.config, name)];
    if (host?.forget === true) return "forgotten";
    return host?.maintenance === true ? "in maintenance" : undefined;
  }

  close(): void {
    this.access?.close();
    for (const guests of this.guests.values()) {
      for (const { host } of guests.values()) host.close();
    }
    for (const host of this.hypervisors.values()) host.close();
  }
}
