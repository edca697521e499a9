/** A machine as the resources see it: facts to read, operations to run, a stream through it. */
import type { Duplex } from "node:stream";
import { FactsCache } from "./facts/cache";
import type { Probe, Taken } from "./facts/cache";
import type { HostFacts } from "./facts/hostFacts";
import { operate } from "./operations/operation";
import type { Call, Operation } from "./operations/operation";
import { script } from "./transport/script";
import type { Parameters } from "./transport/script";
import type { Transport } from "./transport/transport";
import { Wait } from "./wait/wait";

const LOOK_SECONDS = 120;

/** A read waits for nothing but the machine itself: the time of the caller's own work is enough. */
function looking(call: Call): Call {
  const seconds = Math.min(call.workSeconds ?? LOOK_SECONDS, LOOK_SECONDS);
  return { ...call, deadline: Math.min(call.deadline, Date.now() + seconds * 1000) };
}

/** How a machine's operations are run, and what its probe finds. */
export interface HostOptions<F extends Taken> {
  probe: Probe<F>;
  /** How long an operation may wait for locks and slots, seconds. */
  waitSeconds: number;
  /** Called with the facts whenever they were read anew. */
  onFacts?: (facts: F) => void;
}

/** A hypervisor, or a guest that is reached through one: the same code for both. */
export class Host<F extends Taken> {
  private readonly facts: FactsCache<F>;

  constructor(
    readonly transport: Transport,
    private readonly options: HostOptions<F>,
  ) {
    this.facts = new FactsCache(transport, options.probe, options.onFacts);
  }

  get name(): string {
    return this.transport.name;
  }

  /** The facts: one probe for everybody, until something is changed. */
  read(call: Call): Promise<F> {
    return this.facts.read(new Wait(this.name, looking(call)));
  }

  /** Runs an operation to its end, once, also when the link is lost; the facts come back with it. */
  async operate(call: Call, operation: Operation): Promise<F> {
    const { probe, waitSeconds } = this.options;
    const operator = { transport: this.transport, probe: probe.script, waitSeconds };
    try {
      return this.facts.keep(await operate(operator, call, operation));
    } catch (error) {
      this.facts.forget();
      throw error;
    }
  }

  /** The lines of a script that only reads. `freeText`: they are for people. */
  ask(call: Call, name: string, parameters: Parameters, freeText = false): Promise<string[]> {
    const wait = new Wait(this.name, looking(call));
    const run = { script: script(name), parameters, wait, freeText };
    return this.transport.run(run, `reading (${name})`);
  }

  /** A TCP stream to an address that this machine reaches. */
  stream(call: Call, address: string, port: number): Promise<Duplex> {
    return this.transport.stream(new Wait(this.name, call), address, port);
  }

  /** The next use logs in anew and looks anew: the other end of the connection may be gone. */
  renew(): void {
    this.transport.renew();
    this.facts.forget();
  }

  /** Ends the connection. */
  close(): void {
    this.transport.close();
  }
}

export type Hypervisor = Host<HostFacts>;
