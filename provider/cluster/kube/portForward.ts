/**
 * A stream to a port of a pod through the API, as `kubectl port-forward` opens one: a WebSocket to
 * the API server, which the kubelet of the pod's node ends (kubelet pkg/cri/streaming/portforward).
 * It does not load @kubernetes/client-node, which would take a large part of a pass.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Duplex } from "node:stream";
import type { Limits } from "../../hosts/wait/wait";
import { Wait } from "../../hosts/wait/wait";
import { API_PORT } from "../config";
import { readAll } from "./connection";
import type { ApiConnection } from "./connection";
import { failureOf } from "./failure";
import { FrameReader, OPCODES, frameOf } from "./webSocketFrames";
import type { Piece } from "./webSocketFrames";

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
  const { socket, head } = await wait.until(upgraded(connection, path, wait.signal));
  const stream = new ForwardedStream(target, socket);
  socket.unshift(head);
  return stream;
}

interface Upgraded {
  socket: Duplex;
  /** What has arrived behind the answer. */
  head: Buffer;
}

function upgraded(
  { endpoint, sockets: agent }: ApiConnection,
  path: string,
  signal: AbortSignal,
): Promise<Upgraded> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    "Sec-WebSocket-Protocol": PROTOCOL,
  };
  const { address: host } = endpoint;
  return new Promise((resolve, reject) => {
    const sent = httpsRequest({ agent, host, port: API_PORT, path, headers, signal });
    sent.on("error", reject);
    sent.on("upgrade", (_response: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (signal.aborted) socket.destroy();
      else resolve({ socket, head });
    });
    sent.on("response", (response) => {
      readAll(response)
        .then(({ status, body }) => reject(failureOf(status, body)))
        .catch(reject);
    });
    sent.end();
  });
}

/** The protocol cannot close one direction alone: the end of the writer closes the stream. */
class ForwardedStream extends Duplex {
  /** Of the message that arrives. */
  private channel = DATA;
  private readonly skipped = new Map<number, number>();
  /** What the kubelet says if it cannot connect to the port. */
  private refusal = "";

  constructor(
    private readonly target: string,
    private readonly socket: Duplex,
  ) {
    super({ allowHalfOpen: false });
    const reader = new FrameReader((piece) => this.accept(piece));
    socket.on("data", (chunk: Buffer) => reader.read(chunk));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.finish());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const payload = Buffer.concat([Buffer.from([DATA]), chunk]);
    this.socket.write(frameOf(OPCODES.binary, payload), done);
  }

  override _final(done: () => void): void {
    this.socket.end(frameOf(OPCODES.close, Buffer.alloc(0)));
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  private accept({ opcode, isFirst, data }: Piece): void {
    if (opcode === OPCODES.close) this.finish();
    else if (opcode === OPCODES.ping) this.socket.write(frameOf(OPCODES.pong, data));
    else if (opcode === OPCODES.binary) this.receive(isFirst, data);
  }

  private receive(isFirst: boolean, data: Buffer): void {
    let payload = data;
    if (isFirst) {
      this.channel = payload[0] ?? DATA;
      payload = payload.subarray(1);
    }
    payload = this.behindPort(payload);
    if (payload.length === 0) return;
    if (this.channel === ERROR) this.refusal += payload.toString();
    else if (this.channel === DATA && !this.push(payload)) this.socket.pause();
  }

  private behindPort(payload: Buffer): Buffer {
    const before = this.skipped.get(this.channel) ?? 0;
    const skip = Math.min(PORT_BYTES - before, payload.length);
    this.skipped.set(this.channel, before + skip);
    return payload.subarray(skip);
  }

  private finish(): void {
    if (this.destroyed || this.readableEnded) return;
    if (this.refusal === "") this.push(null);
    else this.destroy(new Error(`${this.target}: ${this.refusal.trim()}`));
  }
}
