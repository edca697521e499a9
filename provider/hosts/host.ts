/** A machine as the resources use it: facts, operations, and TCP streams. */
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

/** A read waits only for the machine itself, so the time limit of the caller's own work applies. */
function looking(call: Call): Call {
  const seconds = Math.min(call.workSeconds ?? LOOK_SECONDS, LOOK_SECONDS);
  return { ...call, deadline: Math.min(call.deadline, Date.now() + seconds * 1000) };
}

/** How operations run on a machine, and which probe reads its facts. */
export interface HostOptions<F extends Taken> {
  probe: Probe<F>;
  /** The time limit for locks and slots, in seconds. */
  waitSeconds: number;
  /** Called with the facts after each read. */
  onFacts?: (facts: F) => void;
}

/** A hypervisor, or a guest that is reached through one. Both use the same code. */
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

  /** The facts. All reads share one probe until something is changed. */
  read(call: Call): Promise<F> {
    return this.facts.read(new Wait(this.name, looking(call)));
  }

  /** The facts by a new probe: something outside of the provider changes them. */
  readAgain(call: Call): Promise<F> {
    this.facts.forget();
    return this.read(call);
  }

  /** Runs an operation once, also if the connection is lost, and returns the facts after it. */
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

  /** The lines of a script that only reads. `freeText`: the lines are only shown to people. */
  ask(call: Call, name: string, parameters: Parameters, freeText = false): Promise<string[]> {
    const wait = new Wait(this.name, looking(call));
    const run = { script: script(name), parameters, wait, freeText };
    return this.transport.run(run, `reading (${name})`);
  }

  /** A TCP stream to an address that this machine can reach. */
  stream(call: Call, address: string, port: number): Promise<Duplex> {
    return this.transport.stream(new Wait(this.name, call), address, port);
  }

  /** Drops connection and facts: the other end may not exist any more. */
  renew(): void {
    this.transport.renew();
    this.facts.forget();
  }

  /** Closes the connection. */
  close(): void {
    this.transport.close();
  }
}

export type Hypervisor = Host<HostFacts>;
