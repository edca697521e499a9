/** One verified SSH connection to a host, by way of its jump hosts. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { Client, utils } from "ssh2";
import type { AnyAuthMethod, ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { ProviderError, messageOf } from "../errors";
import type { ProviderConfig, SshHop } from "./config";

const CONNECT_TIMEOUT_MS = 10_000;
const LOGIN_TIMEOUT_MS = 30_000;
const KEEPALIVE_MS = 5_000;
const CONNECT_ATTEMPTS = 3;

/** `SHA256:...` as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The key's bytes of `ssh-ed25519 AAAA...`. */
export function keyBlob(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
}

/** Connects to `hop`; retries what may pass, never a refused key or a wrong host key. */
export async function connect(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  signal: AbortSignal,
): Promise<Client> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(name, hop, config, signal);
    } catch (error) {
      const mayPass = error instanceof ProviderError && error.reason === "unreachable";
      if (!mayPass || attempt === CONNECT_ATTEMPTS || signal.aborted) throw error;
      await jitter(attempt, signal);
    }
  }
}

async function connectOnce(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  signal: AbortSignal,
): Promise<Client> {
  if (hop.jump === undefined) return handshake(name, hop, config, signal, undefined);
  const jump = await connectOnce(`${name} (jump host)`, hop.jump, config, signal);
  try {
    const tunnel = await forward(jump, hop.address, hop.port);
    const client = await handshake(name, hop, config, signal, tunnel);
    client.on("close", () => jump.end());
    return client;
  } catch (error) {
    jump.end();
    throw error;
  }
}

/** A stream to `address:port` as seen from the far end of `client`. */
export function forward(client: Client, address: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut("127.0.0.1", 0, address, port, (error, stream) => {
      if (error) reject(new ProviderError("unreachable", `${address}:${port}: ${error.message}`));
      else resolve(stream);
    });
  });
}

/** The part of a connection that pins the host: the key's algorithm, and a synchronous verifier. */
export function pinned(
  hop: { hostKey: string },
  onKey: (blob: Buffer, right: boolean) => void,
): Pick<ConnectConfig, "hostVerifier" | "algorithms"> {
  const expected = keyBlob(hop.hostKey);
  return {
    algorithms: { serverHostKey: serverHostKeyAlgorithms(hop.hostKey) },
    hostVerifier: (shown: Buffer): boolean => {
      const right = shown.equals(expected);
      onKey(shown, right);
      return right;
    },
  };
}

/** Logs in over a stream that is there already, as to a guest through its hypervisor. */
export function login(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  signal: AbortSignal,
  sock: Duplex,
): Promise<Client> {
  return handshake(name, hop, config, signal, sock, LOGIN_TIMEOUT_MS);
}

function handshake(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  signal: AbortSignal,
  sock: Duplex | undefined,
  timeoutMs = CONNECT_TIMEOUT_MS,
): Promise<Client> {
  const methods = authMethods(hop.user, config);
  return new Promise((resolve, reject) => {
    const client = new Client();
    let mismatch: string | undefined;
    const fail = (error: Error & { level?: string }): void => {
      signal.removeEventListener("abort", abort);
      client.end();
      reject(explain(name, hop, error, mismatch));
    };
    const abort = (): void => fail(new Error("cancelled"));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) {
      abort();
      return;
    }
    client.on("ready", () => {
      signal.removeEventListener("abort", abort);
      client.removeListener("error", fail);
      client.on("error", () => undefined); // a later loss shows as a closed channel
      resolve(client);
    });
    client.on("error", fail);
    client.on("close", () => fail(new Error("the host closed the connection")));
    client.connect({
      host: hop.address,
      port: hop.port,
      username: hop.user,
      readyTimeout: timeoutMs,
      keepaliveInterval: KEEPALIVE_MS,
      authHandler: methods,
      ...(sock === undefined ? {} : { sock }),
      ...pinned(hop, (shown, right) => {
        if (!right) mismatch = fingerprint(shown);
      }),
    });
  });
}

function explain(
  name: string,
  hop: SshHop,
  error: Error & { level?: string },
  shown: string | undefined,
): ProviderError {
  const where = `${name} (${hop.address}:${hop.port})`;
  if (shown !== undefined) {
    const expected = fingerprint(keyBlob(hop.hostKey));
    return new ProviderError(
      "host-key",
      `${where}: the host showed the key ${shown}, the site pins ${expected}; nothing was sent to it`,
      "Find out why. If the host was reinstalled, put its new public key into the site as hostKey.",
    );
  }
  if (error.level === "client-authentication") {
    return new ProviderError(
      "authentication",
      `${where}: the host refused every key for user ${hop.user}`,
      "Load the operator's key into the SSH agent, or name it in ssh.identityFiles of the site.",
    );
  }
  if (error.message === "cancelled") return new ProviderError("cancelled", `${where}: cancelled`);
  const text = /no matching.*host key/i.test(error.message)
    ? `the host has no key of the pinned kind (${hop.hostKey.split(" ")[0] ?? ""})`
    : error.message;
  return new ProviderError(
    "unreachable",
    `${where}: can't be reached: ${text}`,
    "Check the address and the network; `maintenance: true` on the hypervisor leaves it aside.",
  );
}

/** The operator's keys in the order in which they are tried: the secret, the files, the agent. */
function authMethods(username: string, config: ProviderConfig): AnyAuthMethod[] {
  const methods: AnyAuthMethod[] = [];
  if (config.privateKey !== undefined) {
    methods.push({ type: "publickey", username, key: usable(config.privateKey, "privateKey") });
  }
  for (const file of config.identityFiles) {
    methods.push({ type: "publickey", username, key: usable(readIdentity(file), file) });
  }
  const agent = process.env["SSH_AUTH_SOCK"];
  if (config.agent && agent !== undefined && agent !== "") {
    methods.push({ type: "agent", username, agent });
  }
  if (methods.length > 0) return methods;
  throw new ProviderError(
    "authentication",
    "there is no key to log in with",
    "Start an SSH agent with the operator's key, or name a file in ssh.identityFiles of the site.",
  );
}

function readIdentity(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ProviderError("authentication", `identity file ${file}: ${messageOf(error)}`);
  }
}

function usable(key: string, origin: string): string {
  const parsed = utils.parseKey(key);
  if (!(parsed instanceof Error)) return key;
  // The parser's message may quote the key: say only where it came from.
  throw new ProviderError("authentication", `${origin}: is not a usable private key`);
}

function serverHostKeyAlgorithms(hostKey: string): ServerHostKeyAlgorithm[] {
  const type = hostKey.split(" ")[0];
  switch (type) {
    case "ssh-rsa":
      return ["rsa-sha2-512", "rsa-sha2-256"];
    case "ecdsa-sha2-nistp256":
    case "ecdsa-sha2-nistp384":
    case "ecdsa-sha2-nistp521":
      return [type];
    default:
      return ["ssh-ed25519"];
  }
}

/** Waits between attempts: 0.5 s to 1 s, doubled each time, so that many hosts don't retry at once. */
function jitter(attempt: number, signal: AbortSignal): Promise<void> {
  return pause((250 + Math.random() * 250) * 2 ** attempt, signal);
}

/** Resolves after the time, or as soon as the signal is given. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
