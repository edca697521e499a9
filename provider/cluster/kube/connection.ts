/**
 * HTTPS to the API of one controller. Its hypervisor opens the TCP streams, so it works behind jump
 * hosts. The certificate must be of the cluster's CA and valid for the controller's address.
 */
import { Agent, request as httpsRequest } from "node:https";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { TLSSocket } from "node:tls";
import { asError } from "../../errors";
import { Wait, within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import { API_PORT } from "../config";
import type { Identity } from "../k0sGuest";

/** A controller that is down drops packets, and must not use up the time for the others. */
export const CONNECT_SECONDS = 15;
/** The API server ends a request itself after a minute. */
const REQUEST_SECONDS = 75;
/** Requests of many nodes share few connections. */
const SOCKETS = 8;

export interface ApiRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
}

export interface ApiAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A controller, and how to reach its API. */
export interface Endpoint {
  name: string;
  address: string;
  /** Opens a TCP stream to the address. */
  open: (limits: Limits, port: number) => Promise<Duplex>;
}

export class ApiConnection {
  private readonly agent: Agent;

  constructor(
    readonly endpoint: Endpoint,
    identity: Pick<Identity, "ca" | "cert" | "key">,
    private readonly connectSeconds = CONNECT_SECONDS,
  ) {
    const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
    agent.createConnection = (_options, done) => {
      this.secure(identity).then(
        (socket) => done?.(null, socket),
        // The types require a stream also with an error. Node ignores it.
        (error: unknown) => done?.(asError(error), new PassThrough()),
      );
      return undefined;
    };
    this.agent = agent;
  }

  /** Sends a request over a connection that is open, or over a new one. */
  async request(limits: Limits, { method, path, headers, body }: ApiRequest): Promise<ApiAnswer> {
    const { name, address: host } = this.endpoint;
    const deadline = Math.min(limits.deadline, Date.now() + REQUEST_SECONDS * 1000);
    const wait = new Wait(name, { deadline, signal: limits.signal });
    wait.doing = () => `waiting for the API of ${name} (${host}:${API_PORT})`;
    const { agent } = this;
    const { signal } = wait;
    const answered = new Promise<ApiAnswer>((resolve, reject) => {
      const options = { agent, host, port: API_PORT, method, path, headers, signal };
      const sent = httpsRequest(options, (response) => {
        readAll(response).then(resolve, reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
    return wait.until(answered);
  }

  /** For WebSockets: they connect in the same way. */
  get sockets(): Agent {
    return this.agent;
  }

  close(): void {
    this.agent.destroy();
  }

  /** The limit is that of the connection: several requests may wait for it. */
  private async secure(identity: Pick<Identity, "ca" | "cert" | "key">): Promise<TLSSocket> {
    const { name, address, open } = this.endpoint;
    const never = { deadline: 0, signal: new AbortController().signal };
    const limits = within(never, this.connectSeconds);
    const wait = new Wait(name, limits);
    wait.doing = () => `connecting to the API at ${address}:${API_PORT}`;
    const stream = await wait.until(open(limits, API_PORT));
    const { ca, cert, key } = identity;
    const socket = connect({ socket: stream, host: address, ca, cert, key });
    const secured = new Promise<TLSSocket>((resolve, reject) => {
      socket.once("secureConnect", () => resolve(socket));
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed")));
    });
    try {
      return await wait.until(secured);
    } catch (error) {
      socket.destroy();
      stream.destroy();
      throw error;
    }
  }
}

export async function readAll(response: IncomingMessage): Promise<ApiAnswer> {
  let body = "";
  response.setEncoding("utf8");
  for await (const chunk of response) body += String(chunk);
  const headers = Object.entries(response.headers).map(([key, value]): [string, string] => [
    key,
    String(value),
  ]);
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    body,
  };
}
