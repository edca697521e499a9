/** One verified SSH connection to a host, through its jump hosts. */
import type { Duplex } from "node:stream";
import { Client } from "ssh2";
import type { ConnectConfig, ServerHostKeyAlgorithm } from "ssh2";
import { ProviderError } from "../../errors";
import { authMethods } from "./authentication";
import type { ProviderConfig, SshHop } from "./config";
import { fingerprint, keyBlob } from "./hostKey";
import { HOST_ADVICE, explain } from "./loginErrors";
import type { Advice, Progress, Stage } from "./loginErrors";
import { pause } from "../wait/wait";
import type { Wait } from "../wait/wait";

const CONNECT_TIMEOUT_MS = 10_000;
const LOGIN_TIMEOUT_MS = 30_000;
const KEEPALIVE_MS = 5_000;
const CONNECT_ATTEMPTS = 3;
/**
 * For an sshd that closes connections before its greeting, because it has too many (MaxStartups).
 */
const BUSY_ATTEMPTS = 10;
const LONGEST_PAUSE_MS = 2_000;

/** Connects to `hop`. Retries transient errors, never a rejected key or a wrong host key. */
export async function connect(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  wait: Wait,
): Promise<Client> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(name, hop, config, wait);
    } catch (error) {
      if (!(error instanceof ProviderError) || attempt >= attemptsFor(error)) throw error;
      wait.doing = () => "waiting to connect again";
      wait.cause = error.what;
      await pause(jitter(attempt), wait.signal);
      if (wait.signal.aborted) throw error;
    }
  }
}

function attemptsFor(error: ProviderError): number {
  if (error.reason === "busy") return BUSY_ATTEMPTS;
  return error.reason === "unreachable" ? CONNECT_ATTEMPTS : 1;
}

/** 0.5 s to 1 s, doubled each time up to a limit. Random, so that hosts do not retry together. */
function jitter(attempt: number): number {
  return Math.min(LONGEST_PAUSE_MS, (250 + Math.random() * 250) * 2 ** attempt);
}

async function connectOnce(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  wait: Wait,
): Promise<Client> {
  if (hop.jump === undefined) return handshake(name, hop, config, wait, undefined);
  const jump = await connectOnce(`${name} (jump host)`, hop.jump, config, wait);
  try {
    const tunnel = await forward(jump, hop.address, hop.port, wait);
    const client = await handshake(name, hop, config, wait, tunnel);
    client.on("close", () => jump.end());
    return client;
  } catch (error) {
    jump.end();
    throw error;
  }
}

/** A stream to `address:port`, opened by the remote end of `client`. */
export function forward(
  client: Client,
  address: string,
  port: number,
  wait: Wait,
): Promise<Duplex> {
  wait.doing = () => `opening a tunnel to ${address}:${port}`;
  const opened = new Promise<Duplex>((resolve, reject) => {
    client.forwardOut("127.0.0.1", 0, address, port, (error, stream) => {
      if (error) reject(new ProviderError("unreachable", `${address}:${port}: ${error.message}`));
      else if (wait.signal.aborted) stream.destroy();
      else resolve(stream);
    });
  });
  return wait.until(opened);
}

/** The options that pin a host: the algorithm of its key, and a synchronous verifier. */
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

const DOING: Record<Stage, string> = {
  connecting: "connecting to",
  connected: "waiting for an SSH server's greeting from",
  authenticating: "logging in to",
};

/** Logs in over an existing stream, for example to a guest through its hypervisor. */
export function login(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  wait: Wait,
  sock: Duplex,
  advice: Advice,
): Promise<Client> {
  return handshake(name, hop, config, wait, sock, LOGIN_TIMEOUT_MS, advice);
}

function handshake(
  name: string,
  hop: SshHop,
  config: ProviderConfig,
  wait: Wait,
  sock: Duplex | undefined,
  timeoutMs = CONNECT_TIMEOUT_MS,
  advice = HOST_ADVICE,
): Promise<Client> {
  const methods = authMethods(hop.user, config);
  const where = `${hop.address}:${hop.port}`;
  const progress: Progress = {
    stage: sock === undefined ? "connecting" : "connected",
    shown: undefined,
    refused: false,
    skipped: methods.skipped,
  };
  wait.doing = () => `${DOING[progress.stage]} ${where}`;
  return new Promise((resolve, reject) => {
    const client = new Client();
    const fail = (error: Error): void => {
      wait.signal.removeEventListener("abort", abort);
      client.destroy();
      reject(explain(`${name} (${where})`, hop, error, progress, advice));
    };
    const abort = (): void => {
      client.destroy();
      reject(wait.over());
    };
    wait.signal.addEventListener("abort", abort, { once: true });
    if (wait.signal.aborted) {
      abort();
      return;
    }
    client.on("connect", () => (progress.stage = "connected"));
    client.on("handshake", () => (progress.stage = "authenticating"));
    client.on("ready", () => {
      wait.signal.removeEventListener("abort", abort);
      client.removeListener("error", fail);
      client.on("error", () => undefined); // A later loss of the connection closes its channels.
      resolve(client);
    });
    client.on("error", fail);
    client.on("close", () => fail(new Error("the host closed the connection")));
    client.connect({
      host: hop.address,
      port: hop.port,
      username: hop.user,
      readyTimeout: Math.min(timeoutMs, wait.millisecondsLeft()),
      keepaliveInterval: KEEPALIVE_MS,
      // ssh2 asks for the next method only after the host has rejected the previous method.
      authHandler: () => {
        progress.refused ||= methods.tried > 0;
        return methods.next();
      },
      ...(sock === undefined ? {} : { sock }),
      ...pinned(hop, (shown, right) => {
        if (!right) progress.shown = fingerprint(shown);
      }),
    });
  });
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
