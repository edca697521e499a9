/** The machines of one provider process: each at most once, so connection and probe are shared. */
import type { Call } from "./operations/operation";
import { Trials } from "./operations/trials";
import { GUEST_PROBE } from "./facts/guestFacts";
import type { GuestFacts } from "./facts/guestFacts";
import { HOST_PROBE } from "./facts/hostFacts";
import type { HostFacts } from "./facts/hostFacts";
import { HostFailures } from "./failures";
import { requirePin } from "./guest";
import type { GuestAddress } from "./guest";
import { Host } from "./host";
import type { Hypervisor } from "./host";
import { hostConfig } from "./transport/config";
import type { HostConfig, ProviderConfig } from "./transport/config";
import { connect, login } from "./transport/connection";
import { Transport } from "./transport/transport";
import { Limiter } from "./wait/limit";
import type { Wait } from "./wait/wait";

const BUILDS_AT_ONCE = 2;
/** Each copy asks the host what it lacks: two at once would both send what their closures share. */
const COPIES_PER_HOST = 1;
/** Long work on images leaves SSH sessions for everything else. */
const VOLUMES_PER_HOST = 3;

/** What is limited on one host, by one provider process. */
export interface HostLimits {
  /** VMs that start, stop or restart. */
  vms: Limiter;
  /** Operations on images. */
  volumes: Limiter;
  builds: Limiter;
  copies: Limiter;
}

/** A call for what is done on behalf of whoever waits. */
function quiet(wait: Wait): Call {
  const deadline = Date.now() + wait.millisecondsLeft();
  return { urn: "", status: () => undefined, deadline, signal: wait.signal };
}

export class HostPool {
  private readonly hypervisors = new Map<string, Hypervisor>();
  private readonly guests = new Map<string, Host<GuestFacts>>();
  private readonly limits = new Map<string, HostLimits>();
  /** Machine-id -> the name under which it was first met. */
  private readonly machines = new Map<string, string>();
  /** Builds on the operator's machine. */
  readonly builds = new Limiter(BUILDS_AT_ONCE, "a build slot on this machine");
  readonly failures = new HostFailures();
  /** Switches and reboots of the hosts' own systems. */
  readonly trials = new Trials();

  constructor(readonly config: ProviderConfig) {}

  /** A hypervisor of the provider's configuration. */
  get(name: string): Hypervisor {
    const known = this.hypervisors.get(name);
    if (known !== undefined) return known;
    const config = this.configOf(name);
    const transport = new Transport(name, config.user, (wait) =>
      connect(name, config, this.config, wait),
    );
    const waitSeconds = config.waitTimeoutSeconds;
    const host = new Host<HostFacts>(transport, { probe: HOST_PROBE, waitSeconds });
    this.hypervisors.set(name, host);
    return host;
  }

  configOf(name: string): HostConfig {
    return hostConfig(this.config, name);
  }

  /**
   * A guest as a host: logged in to as root, through the connection of its hypervisor. Its pinned
   * key is the one that the hypervisor's probe finds when the connection is opened.
   */
  guest(hypervisor: string, { name, address }: GuestAddress): Host<GuestFacts> {
    const key = `${hypervisor}/${name}@${address}`;
    const known = this.guests.get(key);
    if (known !== undefined) return known;
    const via = this.get(hypervisor);
    const transport = new Transport(name, "root", async (wait) => {
      const call = quiet(wait);
      const hostKey = requirePin(await via.read(call), name);
      const sock = await via.stream(call, address, 22);
      return login(name, { address, port: 22, user: "root", hostKey }, this.config, wait, sock);
    });
    const { waitTimeoutSeconds: waitSeconds } = this.configOf(hypervisor);
    const guest = new Host<GuestFacts>(transport, { probe: GUEST_PROBE, waitSeconds });
    this.guests.set(key, guest);
    return guest;
  }

  limitsOf(name: string): HostLimits {
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

  /** The other name under which this machine was met already. */
  sameMachine(name: string, machineId: string): string | undefined {
    const first = this.machines.get(machineId) ?? name;
    this.machines.set(machineId, first);
    return first === name ? undefined : first;
  }

  inMaintenance(name: string): boolean {
    return this.config.hosts[name]?.maintenance ?? false;
  }

  close(): void {
    for (const guest of this.guests.values()) guest.close();
    for (const host of this.hypervisors.values()) host.close();
  }
}
