/** The hosts of one provider process: each at most once, so connection and probe are shared. */
import { hostConfig } from "./transport/config";
import type { ProviderConfig } from "./transport/config";
import { Host } from "./host";
import { Limiter } from "./operations/limit";
import { Turns } from "./operations/trials";

const BUILDS_AT_ONCE = 2;
/** Each copy asks the host what it lacks: two at once would both send what their closures share. */
const COPIES_PER_HOST = 1;

export class HostPool {
  private readonly hosts = new Map<string, Host>();
  private readonly copies = new Map<string, Limiter>();
  /** Machine-id -> the name under which it was first met. */
  private readonly machines = new Map<string, string>();
  readonly builds = new Limiter(BUILDS_AT_ONCE);
  /** Switches and reboots of the hosts themselves. */
  readonly trials = new Turns();

  constructor(readonly config: ProviderConfig) {}

  get(name: string): Host {
    const known = this.hosts.get(name);
    if (known !== undefined) return known;
    const host = new Host(name, hostConfig(this.config, name), this.config);
    this.hosts.set(name, host);
    return host;
  }

  /** Copies to one host, one after the other; hosts are copied to side by side. */
  copiesTo(name: string): Limiter {
    const known = this.copies.get(name) ?? new Limiter(COPIES_PER_HOST);
    this.copies.set(name, known);
    return known;
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
    for (const host of this.hosts.values()) host.close();
  }
}
