/** One SSH connection to a machine, opened on first use, and the scripts that run over it. */
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { Limiter } from "../wait/limit";
import { Shared } from "../wait/shared";
import { pause } from "../wait/wait";
import type { Wait } from "../wait/wait";
import { forward } from "./connection";
import { NothingSent, exec, openChannel } from "./exec";
import type { Run } from "./exec";

/** sshd's default for MaxSessions is 10. Two stay free for people and for `nix copy`. */
const CHANNELS = 8;
const CONNECT_TIMEOUT_MS = 120_000;
const OPEN_ATTEMPTS = 10;

/** Opens a verified connection: directly, through jump hosts, or through another machine. */
export type Connect = (wait: Wait) => Promise<Client>;

export class Transport {
  private readonly connection: Shared<Client>;
  private readonly channels: Limiter;
  private closed = false;
  /** The current connection. The end of an older connection is ignored. */
  private client: Client | undefined;

  /** `user`: a user other than root runs scripts with sudo. */
  constructor(
    readonly name: string,
    private readonly user: string,
    private readonly open: Connect,
  ) {
    this.connection = new Shared(name, CONNECT_TIMEOUT_MS, (wait) => this.connect(wait));
    this.channels = new Limiter(CHANNELS, `an SSH session on ${name}`);
  }

  /** Runs a script. Retries with another channel or connection as long as nothing was sent. */
  async run(run: Run, doing: string): Promise<string[]> {
    const { wait } = run;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.channels.run(wait, () => this.runOnce(run, doing));
      } catch (error) {
        if (!(error instanceof NothingSent) || attempt === OPEN_ATTEMPTS) throw error;
        wait.doing = () => "waiting to retry";
        wait.cause = error.what;
        await pause(100 * attempt, wait.signal);
      }
    }
  }

  private async runOnce(run: Run, doing: string): Promise<string[]> {
    run.onStage?.("connecting");
    const client = await this.connection.join(run.wait);
    try {
      const channel = await openChannel(this.name, client, this.user !== "root", run.wait);
      run.wait.doing = () => doing;
      run.onSent?.();
      return await exec(this.name, channel, run);
    } catch (error) {
      // The host allows fewer sessions than CHANNELS. The next run waits until another one ends.
      if (error instanceof NothingSent && error.refused) this.channels.shrink();
      throw error;
    }
  }

  /** A TCP stream to an address that the machine reaches. It does not count for MaxSessions. */
  async stream(wait: Wait, address: string, port: number): Promise<Duplex> {
    return forward(await this.connection.join(wait), address, port, wait);
  }

  private async connect(wait: Wait): Promise<Client> {
    const client = await this.open(wait);
    this.client = client;
    client.once("close", () => {
      if (this.client === client) this.connection.forget();
    });
    if (this.closed || wait.signal.aborted) client.end();
    return client;
  }

  /** Closes the connection, which may be dead. The next use opens a new one. */
  renew(): void {
    this.disconnect();
    this.client = undefined;
    this.connection.forget();
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
