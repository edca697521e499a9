/**
 * A stand-in for the API of one controller: a real HTTPS server that requires the client's
 * certificate. It answers what a test gives it, by method and path.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { Server } from "node:https";
import { connect } from "node:net";
import { resolve } from "node:path";
import { TLSSocket } from "node:tls";
import type { Endpoint } from "../../../../../provider/cluster/kube/connection";

const fixture = (file: string): string =>
  readFileSync(resolve(__dirname, "..", "..", "..", "..", "fixtures", "api", file), "utf8");

/** The provider's identity in the cluster of the stand-in. */
export const identity = {
  ca: fixture("ca.crt"),
  cert: fixture("client.crt"),
  key: fixture("client.key"),
  expires: new Date("2100-01-01"),
};

export interface Request {
  method: string;
  path: string;
  type: string | undefined;
  body: string;
  /** The common name in the client's certificate. */
  user: string;
}

export type Answer = [status: number, body: object | string];

export interface ApiServer {
  address: string;
  /** On the loopback address. */
  port: number;
  requests: Request[];
  /** TCP connections. */
  connections: number;
  answer: (request: Request) => Answer | Promise<Answer>;
  endpoint: Endpoint;
  stop: () => Promise<void>;
}

/** `certificate`: a file of tests/fixtures/api. */
export async function startApiServer(
  name: string,
  address: string,
  certificate = "server",
): Promise<ApiServer> {
  const server = createServer({
    cert: fixture(`${certificate}.crt`),
    key: fixture(`${certificate}.key`),
    ca: identity.ca,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const api: ApiServer = {
    address,
    port: 0,
    requests: [],
    connections: 0,
    answer: () => [404, { message: "not found", reason: "NotFound" }],
    endpoint: { name, address, open: () => Promise.resolve(connect(portOf(server), "127.0.0.1")) },
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  server.on("connection", () => (api.connections += 1));
  server.on("request", (incoming, response) => {
    const { socket } = incoming;
    const user = socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : "";
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const request = {
        method: incoming.method ?? "",
        path: incoming.url ?? "",
        type: incoming.headers["content-type"],
        body: Buffer.concat(chunks).toString(),
        user,
      };
      api.requests.push(request);
      void Promise.resolve(api.answer(request)).then(([status, body]) => {
        const text = typeof body === "string" ? body : JSON.stringify(body);
        response.writeHead(status, { "content-type": "application/json" }).end(text);
      });
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  api.port = portOf(server);
  return api;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
