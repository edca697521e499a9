/** Entry point of the plugin: listens on a loopback port, prints it, and ends with the engine. */
import "../compileCache";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { z } from "zod";
import { NOTICES_FILE } from "../contract/notices";
import { engineLog, onceEach, silentLog, withNotices } from "./log";
import { SERVICE } from "./messages";
import { Provider } from "./server";

const WATCH_INTERVAL_MS = 1_000;
const WATCH_MISSES = 2;
/** The engine's message limit. The default of grpc-js is 4 MiB. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

function main(): void {
  const engine = process.argv.slice(2).find((argument) => !argument.startsWith("-"));
  const log = engine === undefined ? silentLog : onceEach(engineLog(engine));
  const provider = new Provider(withNotices(log, process.env[NOTICES_FILE]), version());
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    // channelz would collect statistics of every call, and nothing reads them.
    "grpc.enable_channelz": 0,
  });
  server.addService(SERVICE, provider.service());
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) {
      process.stderr.write(`pulumi-resource-microvm: ${error.message}\n`);
      process.exit(1);
    }
    process.stdout.write(`${port}\n`);
  });
  const stop = (): void => {
    provider.close();
    server.forceShutdown();
    process.exit(0);
  };
  // The engine starts plugins in their own process groups, so SIGINT comes from the engine.
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  if (engine !== undefined) watchEngine(engine, stop);
}

/** A killed engine leaves its plugins running. Stops when nothing listens at its address. */
function watchEngine(address: string, stop: () => void): void {
  const [host = "127.0.0.1", port = ""] = address.split(":");
  let misses = 0;
  setInterval(() => {
    const socket = connect({ host, port: Number(port) });
    socket.on("connect", () => {
      misses = 0;
      socket.destroy();
    });
    socket.on("error", () => {
      misses += 1;
      if (misses >= WATCH_MISSES) stop();
    });
  }, WATCH_INTERVAL_MS);
}

/** package.json is two directories above bin/provider/main.js. */
function version(): string {
  const text = readFileSync(join(__dirname, "..", "..", "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

main();
