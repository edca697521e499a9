/** A port on 127.0.0.1 for a program, while the work lasts. Each connection gets its own stream. */
import { createServer } from "node:net";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream";
import type { Limits } from "../hosts/wait/wait";

/** Opens TCP streams to what answers behind the port. */
export interface Streams {
  open(limits: Limits): Promise<Duplex>;
}

export async function withLocalPort<T>(
  streams: Streams,
  limits: Limits,
  work: (port: number) => Promise<T>,
): Promise<T> {
  const open = new Set<Socket | Duplex>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    streams.open(limits).then(
      (stream) => {
        open.add(stream);
        join(socket, stream);
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    const address = server.address();
    return await work(typeof address === "object" && address !== null ? address.port : 0);
  } finally {
    server.close();
    for (const one of open) one.destroy();
  }
}

/** The end of one side ends the other. */
function join(socket: Socket, stream: Duplex): void {
  const end = (): void => {
    socket.destroy();
    stream.destroy();
  };
  pipeline(socket, stream, () => undefined);
  pipeline(stream, socket, end);
}
