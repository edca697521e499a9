/** A host as the resources see it: facts to read, operations to run, a stream to its guests. */
import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { ProviderError } from "../errors";
import type { HostConfig, ProviderConfig } from "./config";
import { connect, forward, login, pause } from "./connection";
import { exec } from "./exec";
import { parseFacts } from "./facts";
import type { HostFacts } from "./facts";
import { limiter } from "./limit";
import { encodeParameters, script } from "./script";
import type { Parameters } from "./script";

/** sshd's default MaxSessions is 10; one slot stays free for each kind of other use. */
const CHANNELS = 6;
const PROBE_TIMEOUT_MS = 60_000;
const REATTACH_ATTEMPTS = 5;

/** What every call carries: who asks, until when, and whether it was cancelled. */
export interface Call {
  urn: string;
  /** Milliseconds since the epoch. */
  deadline: number;
  signal: AbortSignal;
  status: (text: string) => void;
}

/** An operation: a script of provider/scripts, the ones it builds on, and its parameters. */
export interface Operation {
  script: string;
  uses?: readonly string[];
  machineId: string;
  parameters: Parameters;
}

/** A guest as its hypervisor reaches it, with the host key that was made for it. */
export interface Guest {
  name: string;
  address: string;
  hostKey: string;
}

export class Host {
  private client: Promise<Client> | undefined;
  private facts: Promise<HostFacts> | undefined;
  private readonly limit = limiter(CHANNELS);
  private readonly stop = new AbortController();

  constructor(
    readonly name: string,
    readonly config: HostConfig,
    private readonly provider: ProviderConfig,
  ) {}

  /** The host's facts: one probe for everybody, until something is changed. */
  async read(call: Call): Promise<HostFacts> {
    this.facts ??= this.probe().catch((error: unknown) => {
      this.facts = undefined;
      throw error;
    });
    return within(call, this.name, this.facts);
  }

  private async probe(): Promise<HostFacts> {
    const deadline = Date.now() + PROBE_TIMEOUT_MS;
    const lines = await this.run(
      script("lib", "probe", "read"),
      {},
      {
        deadline,
        signal: this.stop.signal,
      },
    );
    return parseFacts(this.name, lines, Date.now() / 1000);
  }

  /** Runs an operation to its end, once, also when the link is lost; the facts come back with it. */
  async operate(call: Call, operation: Operation): Promise<HostFacts> {
    const id = randomUUID();
    const seconds = Math.max(1, Math.floor((call.deadline - Date.now()) / 1000));
    const inner = script("lib", "begin", ...(operation.uses ?? []), operation.script);
    const parameters = {
      ...operation.parameters,
      operation: id,
      urn: call.urn,
      machine_id: operation.machineId,
      lock_seconds: String(seconds),
      nonce: id,
    };
    const payload = `${Buffer.byteLength(inner)}\n${inner}${encodeParameters(parameters)}`;
    const outer = { operation: id, nonce_inner: id, seconds: String(seconds) };
    for (let attempt = 1; ; attempt++) {
      try {
        const run = {
          deadline: call.deadline + 5_000,
          signal: call.signal,
          onStatus: call.status,
          payload,
        };
        const lines = await this.run(script("lib", "probe", "operate"), outer, run);
        const facts = parseFacts(this.name, lines, Date.now() / 1000);
        this.facts = Promise.resolve(facts);
        return facts;
      } catch (error) {
        this.facts = undefined;
        if (!linkWasLost(error) || attempt === REATTACH_ATTEMPTS || call.signal.aborted)
          throw error;
        call.status("the link was lost; reconnecting");
        await pause(500 * attempt, call.signal);
      }
    }
  }

  /** The last lines of a VM's unit, for messages. */
  async journalTail(call: Call, vm: string): Promise<string[]> {
    const run = { deadline: Date.now() + PROBE_TIMEOUT_MS, signal: call.signal };
    return this.run(script("lib", "journal-tail"), { name: vm }, run);
  }

  /** A TCP stream to an address that this host reaches. */
  async stream(address: string, port: number): Promise<Duplex> {
    return this.limit(async () => forward(await this.connection(), address, port));
  }

  /** Runs a script of provider/scripts in a guest, logged in as root with the operator's keys. */
  async inGuest(
    call: Call,
    guest: Guest,
    scriptName: string,
    parameters: Parameters,
  ): Promise<void> {
    const sock = await this.stream(guest.address, 22);
    const hop = { address: guest.address, port: 22, user: "root", hostKey: guest.hostKey };
    const client = await login(guest.name, hop, this.provider, call.signal, sock);
    try {
      const text = script("lib", scriptName);
      const { deadline, signal } = call;
      await exec(guest.name, client, { script: text, parameters, deadline, signal, sudo: false });
    } finally {
      client.end();
    }
  }

  private run(
    text: string,
    parameters: Parameters,
    run: {
      deadline: number;
      signal: AbortSignal;
      payload?: string;
      onStatus?: (text: string) => void;
    },
  ): Promise<string[]> {
    return this.limit(async () => {
      const client = await this.connection();
      const sudo = this.config.user !== "root";
      return exec(this.name, client, { ...run, script: text, parameters, sudo });
    });
  }

  private connection(): Promise<Client> {
    this.client ??= connect(this.name, this.config, this.provider, this.stop.signal).then(
      (client) => {
        client.once("close", () => (this.client = undefined));
        return client;
      },
      (error: unknown) => {
        this.client = undefined;
        throw error;
      },
    );
    return this.client;
  }

  /** Ends the connection; waiting calls fail. */
  close(): void {
    this.stop.abort();
    void this.client?.then(
      (client) => client.end(),
      () => undefined,
    );
  }
}

function linkWasLost(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    (error.reason === "outcome-unknown" || error.reason === "unreachable")
  );
}

/** The shared promise, but for this call's own deadline and cancellation. */
export function within<T>(call: Call, name: string, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new ProviderError("deadline", `${name}: no answer in time`)),
      Math.max(0, call.deadline - Date.now()),
    );
    const abort = (): void => reject(new ProviderError("cancelled", `${name}: cancelled`));
    call.signal.addEventListener("abort", abort, { once: true });
    if (call.signal.aborted) abort();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      call.signal.removeEventListener("abort", abort);
    });
  });
}
