/** A host as the resources see it: facts to read, operations to run, a stream to its guests. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { ProviderError, isLinkLost } from "../errors";
import type { HostConfig, ProviderConfig } from "./transport/config";
import { connect, forward, login } from "./transport/connection";
import { NothingSent, exec, openChannel } from "./transport/exec";
import type { Run } from "./transport/exec";
import { parseFacts } from "./facts/facts";
import type { HostFacts } from "./facts/facts";
import { Limiter } from "./operations/limit";
import { printable } from "./transport/printable";
import { encodeParameters, script } from "./transport/script";
import type { Parameters } from "./transport/script";
import { Shared, Wait, pause } from "./operations/wait";
import type { Limits } from "./operations/wait";

/** sshd's default MaxSessions is 10; one slot stays free for each kind of other use. */
const CHANNELS = 6;
const CONNECT_TIMEOUT_MS = 120_000;
const PROBE_TIMEOUT_MS = 60_000;
const PROBE_ATTEMPTS = 3;
const OPEN_ATTEMPTS = 10;
const REATTACH_ATTEMPTS = 5;
/** What an operation leaves of its call's time, so that its own error still gets here. */
const REPORT_SECONDS = 3;

/** What every call carries: who asks, until when, and whether it was cancelled. */
export interface Call extends Limits {
  urn: string;
  status: (text: string) => void;
}

/** An operation: a script of provider/scripts, the ones it builds on, and its parameters. */
export interface Operation {
  /** The script that does it, behind those that it uses. */
  scripts: readonly string[];
  machineId: string;
  parameters: Parameters;
}

/** File system and label as blkid names them; empty where it knows none. */
export interface ImageContent {
  sizeBytes: number;
  fsType: string;
  label: string;
}

/** A guest as its hypervisor reaches it, with the host key that was made for it. */
export interface Guest {
  name: string;
  address: string;
  hostKey: string;
}

export class Host {
  private readonly connection: Shared<Client>;
  private readonly facts: Shared<HostFacts>;
  private readonly slots = new Limiter(CHANNELS);
  private closed = false;
  /** Of the connection that is in use: the end of an older one means nothing. */
  private client: Client | undefined;

  constructor(
    readonly name: string,
    readonly config: HostConfig,
    private readonly provider: ProviderConfig,
  ) {
    this.connection = new Shared(name, CONNECT_TIMEOUT_MS, (wait) => this.connect(wait));
    this.facts = new Shared(name, PROBE_TIMEOUT_MS, (wait) => this.probe(wait));
  }

  /** The host's facts: one probe for everybody, until something is changed. */
  read(call: Call): Promise<HostFacts> {
    return this.facts.join(new Wait(this.name, call));
  }

  /** A probe changes nothing: when the link is lost it is run again. */
  private async probe(wait: Wait): Promise<HostFacts> {
    const text = script("lib", "probe", "read");
    for (let attempt = 1; ; attempt++) {
      try {
        const lines = await this.run(
          { script: text, parameters: {}, wait },
          "waiting for the probe",
        );
        return parseFacts(this.name, lines, Date.now() / 1000);
      } catch (error) {
        if (!isOutcomeUnknown(error) || attempt === PROBE_ATTEMPTS) throw error;
      }
    }
  }

  /** Runs an operation to its end, once, also when the link is lost; the facts come back with it. */
  async operate(call: Call, operation: Operation): Promise<HostFacts> {
    const wait = new Wait(this.name, call);
    const run = { ...sent(call, operation, wait), wait, onStatus: call.status };
    let lost: ProviderError | undefined;
    for (let attempt = 1; ; attempt++) {
      try {
        const lines = await this.run(run, `running ${nameOf(operation)}`);
        const facts = parseFacts(this.name, lines, Date.now() / 1000);
        this.facts.keep(facts);
        return facts;
      } catch (error) {
        this.facts.forget();
        if (isOutcomeUnknown(error)) lost = error;
        if (lost === undefined || !isLinkLost(error)) throw error;
        if (attempt === REATTACH_ATTEMPTS) throw outcomeUnknown(this.name, operation, error);
        call.status("the link was lost; reconnecting");
        wait.doing = () => "waiting to reconnect";
        wait.cause = error.what;
        await pause(500 * attempt, wait.signal);
      }
    }
  }

  /** The last lines of a VM's unit, fit for messages: its guest writes there too. */
  async journalTail(call: Call, vm: string): Promise<string[]> {
    const deadline = Date.now() + PROBE_TIMEOUT_MS;
    const wait = new Wait(this.name, { deadline, signal: call.signal });
    const run = { script: script("lib", "journal-tail"), parameters: { name: vm }, wait };
    const lines = await this.run({ ...run, freeText: true }, "reading the journal");
    return lines.map(printable);
  }

  /** What an image holds; undefined where there is none. */
  async image(call: Call, path: string): Promise<ImageContent | undefined> {
    const run = { parameters: { image: path }, wait: new Wait(this.name, call) };
    const lines = await this.run({ ...run, script: script("lib", "image") }, "reading an image");
    const facts = new Map(
      lines.map((line) => line.split("\t")).map(([key, value]) => [key, value]),
    );
    const size = facts.get("size");
    if (size === undefined) return undefined;
    return {
      sizeBytes: Number(size),
      fsType: facts.get("type") ?? "",
      label: facts.get("label") ?? "",
    };
  }

  /** A TCP stream to an address that this host reaches. */
  stream(call: Call, address: string, port: number): Promise<Duplex> {
    const wait = new Wait(this.name, call);
    return this.slots.run(wait, async () =>
      forward(await this.connection.join(wait), address, port, wait),
    );
  }

  /** Runs a script of provider/scripts in a guest, logged in as root with the operator's keys. */
  async inGuest(
    call: Call,
    guest: Guest,
    scriptName: string,
    parameters: Parameters,
  ): Promise<void> {
    const sock = await this.stream(call, guest.address, 22);
    const hop = { address: guest.address, port: 22, user: "root", hostKey: guest.hostKey };
    const wait = new Wait(guest.name, call);
    const client = await login(guest.name, hop, this.provider, wait, sock);
    try {
      const channel = await openChannel(guest.name, client, false, wait);
      await exec(guest.name, channel, { script: script("lib", scriptName), parameters, wait });
    } finally {
      client.end();
    }
  }

  /** Runs a script; opens another channel, or connects again, as long as nothing of it was sent. */
  private async run(run: Run, doing: string): Promise<string[]> {
    const { wait } = run;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.slots.run(wait, () => this.runOnce(run, doing));
      } catch (error) {
        if (!(error instanceof NothingSent) || attempt === OPEN_ATTEMPTS) throw error;
        wait.doing = () => "waiting to try again";
        wait.cause = error.what;
        await pause(100 * attempt, wait.signal);
      }
    }
  }

  private async runOnce(run: Run, doing: string): Promise<string[]> {
    const client = await this.connection.join(run.wait);
    const sudo = this.config.user !== "root";
    try {
      const channel = await openChannel(this.name, client, sudo, run.wait);
      run.wait.doing = () => doing;
      return await exec(this.name, channel, run);
    } catch (error) {
      // The host allows fewer sessions than we have: the others' ends make room.
      if (error instanceof NothingSent && error.refused) this.slots.shrink();
      throw error;
    }
  }

  private async connect(wait: Wait): Promise<Client> {
    const client = await connect(this.name, this.config, this.provider, wait);
    this.client = client;
    client.once("close", () => {
      if (this.client === client) this.connection.forget();
    });
    if (this.closed || wait.signal.aborted) client.end();
    return client;
  }

  /** What comes next logs in anew, and looks anew: what holds a connection may be gone already. */
  renew(): void {
    this.disconnect();
    this.client = undefined;
    this.connection.forget();
    this.facts.forget();
  }

  /** Ends the connection. */
  close(): void {
    this.closed = true;
    this.disconnect();
  }

  private disconnect(): void {
    void this.connection.peek()?.then(
      (client) => client.end(),
      () => undefined,
    );
  }
}

/** The operation as it is sent, always with the same id: the host runs it once. */
function sent(
  call: Call,
  operation: Operation,
  wait: Wait,
): { script: string; parameters: Parameters; payload: string } {
  const id = randomUUID();
  // Programs can see the id in the name of the unit; what marks the results they can't.
  const nonce = randomBytes(12).toString("hex");
  const seconds = Math.max(1, Math.floor(wait.millisecondsLeft() / 1000) - REPORT_SECONDS);
  const inner = script("lib", "enter", "begin", ...operation.scripts);
  const parameters = {
    ...operation.parameters,
    operation: id,
    owner: `"urn":${JSON.stringify(call.urn)},`,
    machine_id: operation.machineId,
    lock_seconds: String(Math.max(1, seconds - 1)),
    nonce,
  };
  return {
    script: script("lib", "probe", "operate"),
    parameters: { operation: id, nonce_inner: nonce, seconds: String(seconds) },
    payload: `${Buffer.byteLength(inner)}\n${inner}${encodeParameters(parameters)}`,
  };
}

function nameOf({ scripts }: Operation): string {
  return scripts[scripts.length - 1] ?? "nothing";
}

function isOutcomeUnknown(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.reason === "outcome-unknown";
}

function outcomeUnknown(name: string, operation: Operation, last: ProviderError): ProviderError {
  return new ProviderError(
    "outcome-unknown",
    `${name}: the link was lost while ${nameOf(operation)} ran; it may or may not have been done: ${last.what}`,
    "Run up again when the host answers: it looks first, and does what is still missing.",
  );
}
