/** Port-forwards through a real HTTPS server that speaks the kubelet's protocol. */
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { ApiConnection } from "../../../../provider/cluster/kube/connection";
import { Controllers } from "../../../../provider/cluster/kube/controllers";
import { withLocalPort } from "../../../../provider/gitops/localPort";
import { startKubelet } from "./kubelet";
import type { Kubelet } from "./kubelet";
import { identity } from "../cluster/kube/apiServer";

jest.setTimeout(60_000);

const limits = (seconds = 20) => ({
  deadline: Date.now() + seconds * 1000,
  signal: new AbortController().signal,
});
const TARGET = { namespace: "gitea", pod: "gitea-0", port: 3000 };

let kubelet: Kubelet;
let controllers: Controllers;
/** What the pod listens with. */
let pod: Server;
let onPod: (socket: Socket) => void;

beforeEach(async () => {
  pod = createServer((socket) => onPod(socket));
  await new Promise<void>((done) => pod.listen(0, "127.0.0.1", done));
  const address = pod.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  kubelet = await startKubelet(() => connect(port, "127.0.0.1"));
  controllers = new Controllers("production", [new ApiConnection(kubelet.endpoint, identity, 5)]);
});
afterEach(async () => {
  controllers.close();
  await kubelet.stop();
  pod.close();
});

test("carries bytes both ways, and ends with the pod's side", async () => {
  onPod = (socket) => socket.once("data", (data) => socket.end(`you said ${data.toString()}`));
  const stream = await controllers.forward(limits(), TARGET);
  stream.write("hello");
  expect(await text(stream)).toBe("you said hello");
  expect(kubelet.paths).toEqual(["/api/v1/namespaces/gitea/pods/gitea-0/portforward?ports=3000"]);
});

test("carries more than fits into memory at once, unchanged", async () => {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(256 * 1024, "x");
  const count = 64;
  const expected = createHash("sha256");
  for (let index = 0; index < count; index++) expected.update(chunk);
  let received = 0;
  onPod = (socket) =>
    socket.on("data", (data: Buffer) => {
      hash.update(data);
      received += data.length;
      if (received === chunk.length * count) socket.end(hash.digest("hex"));
    });
  const stream = await controllers.forward(limits(), TARGET);
  for (let index = 0; index < count; index++) {
    await new Promise<void>((done) => stream.write(chunk, () => done()));
  }
  expect(await text(stream)).toBe(expected.digest("hex"));
});

test("a port that refuses ends the stream with the kubelet's words", async () => {
  kubelet.refusal = "dial tcp 127.0.0.1:3000: connect: connection refused";
  const stream = await controllers.forward(limits(), TARGET);
  await expect(text(stream)).rejects.toThrow(
    "gitea/gitea-0:3000: dial tcp 127.0.0.1:3000: connect: connection refused",
  );
});

test("a server that has no way to the node is unreachable", async () => {
  kubelet.status = 500;
  const failed = controllers.forward(limits(), TARGET);
  await expect(failed).rejects.toMatchObject({ reason: "unreachable" });
  await expect(failed).rejects.toThrow(
    /no controller of the cluster answers: kc1: error dialing backend: No agent available/,
  );
});

test("a controller that refuses the connection is unreachable", async () => {
  const open = (): Promise<Duplex> => Promise.reject(new Error("connection refused"));
  const connection = new ApiConnection({ ...kubelet.endpoint, open }, identity, 5);
  const failed = new Controllers("production", [connection]).forward(limits(), TARGET);
  await expect(failed).rejects.toMatchObject({ reason: "unreachable" });
  await expect(failed).rejects.toThrow(/kc1: connection refused/);
});

test("each connection to the local port has a stream of its own, until the work ends", async () => {
  onPod = (socket) => socket.once("data", () => socket.end("answer"));
  const streams = { open: (call: ReturnType<typeof limits>) => controllers.forward(call, TARGET) };
  const ask = async (port: number): Promise<string> => {
    const socket: Duplex = connect(port, "127.0.0.1");
    socket.write("question");
    return text(socket);
  };
  const used = await withLocalPort(streams, limits(), async (port) => {
    expect(await Promise.all([ask(port), ask(port)])).toEqual(["answer", "answer"]);
    return port;
  });
  expect(kubelet.paths).toHaveLength(2);
  await expect(ask(used)).rejects.toThrow(/ECONNREFUSED/);
});
