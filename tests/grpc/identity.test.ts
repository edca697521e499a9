/**
 * The sources of the operator's key. An unusable key is skipped if another key works, and reported
 * otherwise.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utils } from "ssh2";
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { volume } from "./inputs";
import { ProviderProcess, failure } from "./providerProcess";
import { keyPair, startScriptedHost } from "./scriptedHost";
import type { ScriptedHost } from "./scriptedHost";

const operator = keyPair();
const locked = utils.generateKeyPairSync("ed25519", {
  passphrase: "p",
  cipher: "aes256-ctr",
  rounds: 16,
});
let directory: string;
let host: ScriptedHost;
let provider: ProviderProcess;

beforeEach(async () => {
  // A shell and OpenSSH's own expansion would change this name.
  directory = mkdtempSync(join(tmpdir(), "h1 keys %h "));
  host = await startScriptedHost(operator.publicKey);
  provider = await ProviderProcess.start();
});
afterEach(async () => {
  await provider.stop();
  await host.stop();
  rmSync(directory, { recursive: true });
});

function identity(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

async function configure(identityFiles: string[], more: ValueMap = {}): Promise<void> {
  const hv1 = { address: "127.0.0.1", port: host.port, user: "root", hostKey: host.hostKey };
  await provider.configure({
    hosts: JSON.stringify({ hv1 }),
    agent: "false",
    identityFiles: JSON.stringify(identityFiles),
    ...more,
  });
}

const login = (): Promise<unknown> => provider.create("Volume", volume, true, 20);
const missing = (): string => join(directory, "missing");

test("a key file alone is sufficient", async () => {
  await configure([identity("id", operator.privateKey)]);
  await login();
  expect(host.counts.authentications).toBe(1);
});

test("missing files and files with a passphrase are skipped if another key works", async () => {
  const files = [missing(), identity("locked", locked.private)];
  await configure([...files, identity("id", operator.privateKey)]);
  await login();
  await configure(files, { privateKey: new Secret(operator.privateKey) });
  await login();
});

test("unusable files are reported with a remedy if no key works", async () => {
  const files = [missing(), identity("locked", locked.private)];
  const told = [
    /missing does not exist/,
    /locked has a passphrase: add it to the agent with ssh-add/,
  ];
  await configure(files);
  const none = (await failure(login())).message;
  expect(none).toContain("there is no key to log in with");
  for (const words of told) expect(none).toMatch(words);

  await configure(files, { privateKey: new Secret(keyPair().privateKey) });
  const refused = (await failure(login())).message;
  expect(refused).toContain("refused every key");
  for (const words of told) expect(refused).toMatch(words);
});

test("a file without a key is an error that shows nothing of its contents", async () => {
  await configure([identity("id", "precious words"), identity("other", operator.privateKey)]);
  const { message } = await failure(login());
  expect(message).toMatch(/id is not a usable private key/);
  expect(message).not.toContain("precious");
});
