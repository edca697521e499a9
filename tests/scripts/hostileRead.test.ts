/**
 * The root of a guest can replace its public key in the share. The probe does not block on the
 * replacement and does not report it.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { Secret } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { storePath } from "./operations";
import { Sandbox } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import type { SandboxHost } from "./sandboxHost";
import { Stack } from "./stack";

jest.setTimeout(60_000);

const operator = keyPair();
let box: Sandbox;
let host: SandboxHost;
let stack: Stack;

beforeEach(async () => {
  box = new Sandbox();
  host = await startSandboxHost(box, operator.publicKey);
  const { port, hostKey } = host.ssh;
  const hv1 = { address: "127.0.0.1", port, user: "root", hostKey };
  const privateKey = new Secret(operator.privateKey);
  stack = new Stack("lab", () => ({ hosts: JSON.stringify({ hv1 }), agent: "false", privateKey }));
  const vm = { host: "hv1", machineId: MACHINE_ID, name: "kc1", runner: storePath("runner") };
  await stack.up({ "MicroVm kc1": { ...vm, toplevel: storePath("system") } });
});
afterEach(async () => {
  await host.ssh.stop();
  box.remove();
});

const guestHostKey = (): unknown => stack.state.get("MicroVm kc1")?.outputs["guestHostKey"];

test.each<[string, (key: string) => void]>([
  ["a pipe", (key) => execFileSync("mkfifo", [key])],
  [
    "a link",
    (key) => {
      fs.writeFileSync(box.path("key"), "ssh-ed25519 BBBB\n");
      fs.symlinkSync(box.path("key"), key);
    },
  ],
  ["a large file", (key) => fs.writeFileSync(key, `ssh-ed25519 ${"A".repeat(4096)}`)],
  ["something else", (key) => fs.writeFileSync(key, "ssh-ed25519 AAAA\u0007\n")],
])("%s", async (_, put) => {
  expect(guestHostKey()).toBe("ssh-ed25519 AAAA");
  const key = box.path("microvms/kc1/etc/ssh/ssh_host_ed25519_key.pub");
  fs.rmSync(key);
  put(key);
  await stack.refresh();
  expect(guestHostKey()).toBe("");
});
