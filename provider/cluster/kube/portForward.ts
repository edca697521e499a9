/**
 * A stream to a port of a pod through the API, as `kubectl port-forward` opens one: a WebSocket to
 * the API server, which the kubelet of the pod's node ends.
 */
import { Duplex, PassThrough, Writable } from "node:stream";
import type { Limits } from "../../hosts/wait/wait";
import { Wait } from "../../hosts/wait/wait";
import { API_PORT } from "../config";
import type { ApiConnection } from "./connection";

export interface PodPort {
  namespace: string;
  pod: string;
  port: number;
}

/** The part of a WebSocket that is used. */
interface Socket {
  readonly bufferedAmount: number;
  close(): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

/** Bytes that wait in the WebSocket before the writer has to wait. */
const HIGH_WATER = 1024 * 1024;
const LOOK_MS = 5;

/** Fails if the API server cannot reach the node. Later failures end the stream with an error. */
export async function forwardedStream(
  limits: Limits,
  connection: ApiConnection,
  { namespace, pod, port }: PodPort,
): Promise<Duplex> {
  const loaded = await import("@kubernetes/client-node");
  const { name, address } = connection.endpoint;
  const config = new loaded.KubeConfig();
  config.loadFromClusterAndUser(
    { name, server: `https://${address}:${API_PORT}`, skipTLSVerify: false },
    { name },
  );
  config.applyToHTTPSOptions = (options) => {
    // The agent presents our certificate, and checks the server's.
    Object.assign(options, { agent: connection.sockets });
    return Promise.resolve();
  };
  const stream = new ForwardedStream(`${namespace}/${pod}:${port}`);
  const forward = new loaded.PortForward(config);
  const { output, refusals, input } = stream;
  const ports = [port];
  const opened: Promise<unknown> = forward.portForward(
    namespace,
    pod,
    ports,
    output,
    refusals,
    input,
  );
  const wait = new Wait(name, limits);
  wait.doing = () => `opening a port-forward to ${namespace}/${pod}:${port}`;
  try {
    const socket = await wait.until(opened.catch(rejected));
    if (isSocket(socket)) stream.carriedBy(socket);
    return stream;
  } catch (error) {
    // A WebSocket that opens later has no user.
    opened.then(
      (late) => isSocket(late) && late.close(),
      () => undefined,
    );
    throw error;
  }
}

function isSocket(value: unknown): value is Socket {
  return typeof value === "object" && value !== null && "bufferedAmount" in value;
}

/** The package rejects with an event. */
function rejected(event: unknown): never {
  if (event instanceof Error) throw event;
  const hasMessage = typeof event === "object" && event !== null && "message" in event;
  throw new Error(`no port-forward: ${hasMessage ? String(event.message) : "refused"}`);
}

/** The protocol cannot close one direction alone: the end of the writer closes the stream. */
class ForwardedStream extends Duplex {
  readonly input = new PassThrough();
  readonly output: Writable;
  /** What the kubelet says if it cannot connect to the port. */
  readonly refusals: Writable;
  private refusal = "";
  private socket: Socket | undefined;

  constructor(private readonly target: string) {
    super({ allowHalfOpen: false });
    this.output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.push(chunk);
        done();
      },
    });
    this.refusals = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.refusal += chunk.toString();
        done();
      },
    });
  }

  carriedBy(socket: Socket): void {
    this.socket = socket;
    socket.addEventListener("close", () => {
      if (this.refusal === "") this.push(null);
      else this.destroy(new Error(`${this.target}: ${this.refusal.trim()}`));
    });
    socket.addEventListener("error", () => undefined);
  }

  override _read(): void {
    // The WebSocket pushes what arrives.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.input.write(chunk);
    const whenSent = (): void => {
      if (this.destroyed || (this.socket?.bufferedAmount ?? 0) < HIGH_WATER) done();
      else setTimeout(whenSent, LOOK_MS);
    };
    whenSent();
  }

  override _final(done: () => void): void {
    this.socket?.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket?.close();
    done(error);
  }
}
