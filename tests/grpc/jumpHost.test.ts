/**
 * A host behind a jump host. Each hop must prove its own pinned key before anything is sent to it.
 */
import { Secret } from "../../provider/wire";
import { volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
let jump: ScriptedHost;
let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  jump = await startScriptedHost(operator.publicKey);
  host = await startScriptedHost(operator.publicKey);
  jump.tunnels.set("hv1.example:22", host.port);
  provider = await ProviderProcess.start();
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
  await jump.stop();
});

async function configure(pins: { jump?: string; host?: string } = {}): Promise<void> {
  const hv1 = {
    address: "hv1.example",
    user: "root",
    hostKey: pins.host ?? host.hostKey,
    jump: {
      address: "127.0.0.1",
      port: jump.port,
      user: "ops",
      hostKey: pins.jump ?? jump.hostKey,
    },
  };
  await provider.configure({
    hosts: JSON.stringify({ hv1 }),
    agent: "false",
    privateKey: new Secret(operator.privateKey),
  });
}

const observe = (seconds = 20): Promise<unknown> =>
  provider.create("Volume", volume, true, seconds);

test("the host is reached through the jump host, where no command runs", async () => {
  await configure();
  await observe();
  expect(jump.counts).toMatchObject({ connections: 1, authentications: 1, sessions: 0 });
  expect(host.counts).toMatchObject({ connections: 1, authentications: 1, probes: 1 });
});

test("a jump host that leads elsewhere is refused before authentication", async () => {
  const other = await startScriptedHost(operator.publicKey);
  jump.tunnels.set("hv1.example:22", other.port);
  await configure();
  const { message } = await failure(observe());
  expect(message).toMatch(/^hv1 \(hv1\.example:22\): the host showed the key/);
  expect(message.match(/SHA256:[A-Za-z0-9+/]{43}/g)).toHaveLength(2);
  expect(other.counts).toMatchObject({ connections: 1, authentications: 0, sessions: 0 });
  expect(other.offered).toEqual([]);
  await other.stop();
});

test("no tunnel is opened through a jump host with another key", async () => {
  await configure({ jump: keyPair().publicKey });
  const { message } = await failure(observe());
  expect(message).toMatch(/^hv1 \(jump host\) \(127\.0\.0\.1:\d+\): the host showed the key/);
  expect(jump.counts.authentications).toBe(0);
  expect(host.counts.connections).toBe(0);
});

test.each<[string, () => void, RegExp]>([
  ["leads nowhere", () => jump.tunnels.clear(), /hv1\.example:22/],
  ["leads to silence", () => (host.onConnect = () => "hold"), /timed out while waiting/],
  ["drops what it leads to", () => (host.onConnect = () => "drop"), /hv1\.example:22/],
])("a jump host that %s causes an error in time", async (_, set, words) => {
  set();
  await configure();
  const since = Date.now();
  expect((await failure(observe(3))).message).toMatch(words);
  expect(Date.now() - since).toBeLessThan(4_500);
});
