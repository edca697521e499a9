/**
 * A stream to a port of a pod through the API, as `kubectl port-forward` opens one: a WebSocket to
 * the API server, which the kubelet of the pod's node ends (kubelet pkg/cri/streaming/portforward).
 * It does not load @kubernetes/client-node, which would take a large part of a pass.
 */
import { Duplex } from "node:stream";
import type WebSocket from "ws";
import type { Limits } from "../../hosts/wait/wait";
import { Wait } from "../../hosts/wait/wait";
import { API_PORT } from "../config";
import { readAll } from "./connection";
import type { ApiConnection } from "./connection";
import { failureOf } from "./failure";

export interface PodPort {
  namespace: string;
  pod: string;
  port: number;
}

/** The channels of a port: each message begins with the number of its channel. */
const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0;
const ERROR = 1;
/** Each channel begins with the port's number. */
const PORT_BYTES = 2;

/** Fails if the API server cannot reach the node. Later failures end the stream with an error. */
export async function forwardedStream(
  limits: Limits,
  connection: ApiConnection,
  { namespace, pod, port }: PodPort,
): Promise<Duplex> {
  const target = `${namespace}/${pod}:${port}`;
  const wait = new Wait(connection.endpoint.name, limits);
  wait.doing = () => `opening a port-forward to ${target}`;
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`;
  return wait.until(opened(connection, path, target, wait.signal));
}

async function opened(
  { endpoint, sockets: agent }: ApiConnection,
  path: string,
  target: string,
  signal: AbortSignal,
): Promise<Duplex> {
  // Most passes open none.
  const { default: Client } = await import("ws");
  const url = `wss://${endpoint.address}:${API_PORT}${path}`;
  const socket = new Client(url, PROTOCOL, { agent, perMessageDeflate: false });
  // Messages may arrive together with the answer, so it listens from the beginning.
  const stream = new ForwardedStream(target, socket);
  signal.addEventListener("abort", () => {
    if (socket.readyState === socket.CONNECTING) socket.terminate();
  });
  return new Promise((resolve, reject) => {
    // Nobody listens to the stream before it is open.
    let isOpen = false;
    socket.on("error", (error) => {
      if (isOpen) stream.destroy(error);
      else reject(error);
    });
    socket.once("open", () => {
      isOpen = true;
      resolve(stream);
    });
    socket.once("unexpected-response", (_request, response) => {
      readAll(response)
        .then(({ status, body }) => reject(failureOf(status, body)))
        .catch(reject);
    });
  });
}

/** The protocol cannot close one direction alone: the end of the writer closes the stream. */
class ForwardedStream extends Duplex {
  private readonly skipped = new Map<number, number>();
  /** What the kubelet says if it cannot connect to the port. */
  private refusal = "";

  constructor(
    private readonly target: string,
    private readonly socket: WebSocket,
  ) {
    super({ allowHalfOpen: false });
    socket.on("message", (data: Buffer) => this.receive(data));
    socket.on("close", () => this.finish());
  }

  override _read(): void {
    if (this.socket.isPaused) this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.socket.send(Buffer.concat([Buffer.from([DATA]), chunk]), done);
  }

  override _final(done: () => void): void {
    this.socket.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.terminate();
    done(error);
  }

  private receive(message: Buffer): void {
    const channel = message[0] ?? DATA;
    const payload = this.behindPort(channel, message.subarray(1));
    if (payload.length === 0) return;
    if (channel === ERROR) this.refusal += payload.toString();
    else if (channel === DATA && !this.push(payload)) this.socket.pause();
  }

  private behindPort(channel: number, payload: Buffer): Buffer {
    const before = this.skipped.get(channel) ?? 0;
    const skip = Math.min(PORT_BYTES - before, payload.length);
    this.skipped.set(channel, before + skip);
    return payload.subarray(skip);
  }

  private finish(): void {
    if (this.destroyed || this.readableEnded) return;
    if (this.refusal === "") this.push(null);
    else this.destroy(new Error(`${this.target}: ${this.refusal.trim()}`));
  }
}
