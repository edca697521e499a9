/**
 * A port of this machine behind which the cluster's API answers, for programs that are no part of
 * the provider. TLS passes through: the program checks the server, and has its own identity.
 */
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";

/** In the certificate of the API of each controller. */
export const API_SERVER_NAME = "kubernetes";

/** Runs the work with the port. Afterwards nothing listens there, and all connections end. */
export async function withTunnel<T>(
  /** Opens a stream to the API of a controller that answers. */
  open: () => Promise<Duplex>,
  work: (port: number) => Promise<T>,
): Promise<T> {
  const streams = new Set<Duplex>();
  const server = createServer((socket) => void connect(socket, open, streams));
  const port = await listen(server);
  try {
    return await work(port);
  } finally {
    server.close();
    for (const stream of streams) stream.destroy();
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

async function connect(
  socket: Socket,
  open: () => Promise<Duplex>,
  streams: Set<Duplex>,
): Promise<void> {
  streams.add(socket);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => streams.delete(socket));
  try {
    const stream = await open();
    streams.add(stream);
    stream.on("error", () => stream.destroy());
    stream.on("close", () => {
      streams.delete(stream);
      socket.destroy();
    });
    socket.on("close", () => stream.destroy());
    if (socket.destroyed) stream.destroy();
    socket.pipe(stream).pipe(socket);
  } catch {
    // The program sees a closed connection, and tries again or fails.
    socket.destroy();
  }
}
