/**
 * A stand-in for an API server and a kubelet that forward a port: WebSockets with the channels
 * `data` and `error`, each beginning with the port number (kubelet pkg/cri/streaming/portforward).
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { resolve } from "node:path";
import type { Duplex } from "node:stream";
import type { Endpoint } from "../../../../provider/cluster/kube/connection";

const fixture = (file: string): string =>
  readFileSync(resolve(__dirname, "..", "..", "..", "fixtures", "api", file), "utf8");

export interface Kubelet {
  endpoint: Endpoint;
  /** What was asked for. */
  paths: string[];
  /** What the kubelet says instead of a connection. */
  refusal: string;
  /** Of HTTP, instead of a WebSocket. */
  status: number;
  stop: () => Promise<void>;
}

export async function startKubelet(dial: () => Socket): Promise<Kubelet> {
  const server = createServer({
    cert: fixture("server.crt"),
    key: fixture("server.key"),
    ca: fixture("ca.crt"),
    requestCert: true,
    rejectUnauthorized: true,
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const open = new Set<Duplex>();
  const kubelet: Kubelet = {
    endpoint: {
      name: "kc1",
      address: "198.18.0.21",
      open: () => Promise.resolve(connect(port, "127.0.0.1")),
    },
    paths: [],
    refusal: "",
    status: 101,
    stop: () =>
      new Promise((done) => {
        for (const socket of open) socket.destroy();
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  server.on("upgrade", (request, socket: Duplex) => {
    kubelet.paths.push(request.url ?? "");
    open.add(socket);
    socket.on("error", () => undefined);
    if (kubelet.status !== 101) {
      const said = JSON.stringify({ message: "error dialing backend: No agent available" });
      const head = `HTTP/1.1 ${kubelet.status} Error\r\nContent-Length: ${said.length}`;
      socket.end(`${head}\r\n\r\n${said}`);
      return;
    }
    const key = String(request.headers["sec-websocket-key"]);
    const accept = createHash("sha1").update(`${key}${GUID}`).digest("base64");
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept}`,
      "Sec-WebSocket-Protocol: v4.channel.k8s.io",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const number = Buffer.from([3000 & 0xff, 3000 >> 8]);
    socket.write(frame(0, number));
    socket.write(frame(1, number));
    serve(socket, kubelet.refusal, dial);
  });
  return kubelet;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE = Buffer.from([0x88, 0]);

function serve(socket: Duplex, refusal: string, dial: () => Socket): void {
  if (refusal !== "") {
    socket.write(frame(1, Buffer.from(refusal)));
    socket.end(CLOSE);
    return;
  }
  const target = dial();
  target.on("error", () => undefined);
  target.on("data", (data: Buffer) => socket.write(frame(0, data)));
  target.on("end", () => socket.end(CLOSE));
  const read = messages((opcode, payload) => {
    if (opcode === 8) target.end();
    else if (payload[0] === 0) target.write(payload.subarray(1));
  });
  socket.on("data", read);
  socket.on("close", () => target.destroy());
}

/** A message of the server to a channel (RFC 6455, 5.2). */
function frame(channel: number, data: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([channel]), data]);
  const head =
    payload.length < 126
      ? Buffer.from([0x82, payload.length])
      : Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (payload.length >= 126) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

/** Reads the masked frames of a client. */
function messages(each: (opcode: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let bytes = Buffer.alloc(0);
  return (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      if (bytes.length < 2) return;
      const short = (bytes[1] ?? 0) & 0x7f;
      const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
      const begin = 2 + extra + 4;
      if (bytes.length < begin) return;
      const length =
        extra === 0
          ? short
          : extra === 2
            ? bytes.readUInt16BE(2)
            : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < begin + length) return;
      const mask = bytes.subarray(begin - 4, begin);
      const payload = Buffer.from(bytes.subarray(begin, begin + length));
      for (let index = 0; index < length; index++) {
        payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
      }
      each((bytes[0] ?? 0) & 0x0f, payload);
      bytes = bytes.subarray(begin + length);
    }
  };
}
