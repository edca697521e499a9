/**
 * A stand-in for a host's sshd: a real SSH server of ssh2 on loopback. It answers probes and
 * operations with fixed facts, or misbehaves if a test requires it. It runs no scripts. The tests
 * in tests/scripts run them in a sandbox, and the lab runs them on real hosts.
 */
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { Server, utils } from "ssh2";
import type { Connection, ServerChannel, Session } from "ssh2";

/** What the host does at a step: it continues, never answers, or drops the connection. */
export type Step = "go" | "hold" | "drop";

/** One run of the constant command, with everything that was sent on stdin. */
export interface Exec {
  channel: ServerChannel;
  stdin: string;
  /** The nonce of the script, which marks its results. */
  nonce: string;
  /** The id of the operation. Undefined for a probe. */
  operation: string | undefined;
  /** Prints lines and exits with a code. Without a code, the channel closes. */
  answer(lines: readonly string[], code?: number): void;
  /** Drops the whole connection. */
  drop(): void;
}

export interface ScriptedHost {
  port: number;
  /** The host's public key, to pin. */
  hostKey: string;
  counts: {
    connections: number;
    /** The number of verified signatures. */
    authentications: number;
    probes: number;
    /** The largest number of sessions that were open at once. */
    sessions: number;
  };
  /** The public keys that were offered, with repetitions. */
  offered: string[];
  /** The ids of the operations that were sent, with repetitions. */
  operations: string[];
  /** Where tunnels lead: `ADDRESS:PORT` -> a port of loopback. All other addresses refuse. */
  tunnels: Map<string, number>;
  /** The lines of the probe. Tests change them. */
  facts: string[];
  /** Called for the nth TCP connection, before the greeting. */
  onConnect: (count: number) => Step;
  onAuthentication: Step;
  /** Called for a session while `open` others are open. */
  onSession: (open: number) => Step | "refuse";
  onExec: (exec: Exec) => void;
  stop: () => Promise<void>;
}

export const MACHINE_ID = "0123456789abcdef0123456789abcdef";

/** A healthy, empty hypervisor. */
export function healthyFacts(): string[] {
  return [
    `machine-id\t${MACHINE_ID}`,
    "hostname\thv1",
    `clock\t${Math.round(Date.now() / 1000)}`,
    "memory-kib\t8388608",
    "file-system\t/dev/sda1\t/\t10485760",
    "kvm\tdevice",
    "kvm\tflags",
    "kvm\tmodule",
    "libvirtd\tactive\tactive",
    "libvirtd\tanswers\tyes",
    "bridge\tbr0\tup\t eno1",
    "unit\tmicrovm@.service\tinstalled",
    "unit\tmicrovm-tap-interfaces@.service\tinstalled",
    "unit\tmicrovm-virtiofsd@.service\tinstalled",
    "unit\tpulumi-microvm-autostart.service\tenabled",
    "nix\tversion\tnix (Nix) 2.8.0",
    "nix\tflakes\tyes",
    "probed",
  ];
}

/** A new ed25519 key pair in OpenSSH's formats. */
export function keyPair(): { privateKey: string; publicKey: string } {
  for (;;) {
    const { private: privateKey, public: publicKey } = utils.generateKeyPairSync("ed25519");
    // ssh2 sometimes creates a pair that it cannot read itself.
    if (utils.parseKey(privateKey) instanceof Error) continue;
    return { privateKey, publicKey: publicKey.split(" ").slice(0, 2).join(" ") };
  }
}

/** Answers as a healthy host does. */
export function answerWell(host: ScriptedHost): (exec: Exec) => void {
  return (exec) => exec.answer([...host.facts, `${exec.nonce} done`], 0);
}

export async function startScriptedHost(accepted: string): Promise<ScriptedHost> {
  const key = keyPair();
  const sockets = new Set<Socket>();
  const ssh = new Server({ hostKeys: [key.privateKey] }, (connection) => serve(host, connection));
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    host.counts.connections += 1;
    const step = host.onConnect(host.counts.connections);
    if (step === "go") ssh.injectSocket(socket);
    if (step === "drop") socket.destroy();
  });
  const host: ScriptedHost & { accepted: string } = {
    port: 0,
    hostKey: key.publicKey,
    accepted,
    counts: { connections: 0, authentications: 0, probes: 0, sessions: 0 },
    offered: [],
    operations: [],
    tunnels: new Map(),
    facts: healthyFacts(),
    onConnect: () => "go",
    onAuthentication: "go",
    onSession: () => "go",
    onExec: (exec) => answerWell(host)(exec),
    stop: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        tcp.close(() => resolve());
      }),
  };
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const address = tcp.address();
  host.port = typeof address === "object" && address !== null ? address.port : 0;
  return host;
}

/** Handles authentication and sessions of one connection. */
function serve(host: ScriptedHost & { accepted: string }, connection: Connection): void {
  let open = 0;
  connection.on("error", () => undefined);
  connection.on("authentication", (context) => {
    if (host.onAuthentication === "drop") connection.end();
    if (host.onAuthentication !== "go") return;
    if (context.method !== "publickey") {
      context.reject(["publickey"]);
      return;
    }
    const shown = context.key.data.toString("base64");
    if (context.signature) host.counts.authentications += 1;
    else host.offered.push(shown);
    if (shown === host.accepted.split(" ")[1]) context.accept();
    else context.reject(["publickey"]);
  });
  connection.on("session", (accept, reject) => {
    const step = host.onSession(open);
    if (step === "drop") connection.end();
    if (step === "refuse") reject();
    if (step !== "go") return;
    open += 1;
    host.counts.sessions = Math.max(host.counts.sessions, open);
    const session = accept();
    session.on("close", () => (open -= 1));
    serveExec(host, connection, session);
  });
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    const port = host.tunnels.get(`${destIP}:${destPort}`);
    if (port === undefined) {
      reject();
      return;
    }
    const socket = connect({ host: "127.0.0.1", port });
    const channel = accept();
    for (const stream of [socket, channel]) stream.on("error", () => undefined);
    socket.on("close", () => channel.end());
    channel.on("close", () => socket.destroy());
    socket.pipe(channel).pipe(socket);
  });
}

function serveExec(host: ScriptedHost, connection: Connection, session: Session): void {
  session.on("exec", (accept) => {
    const channel = accept();
    const chunks: Buffer[] = [];
    channel.on("error", () => undefined);
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    channel.on("end", () => {
      const exec = execOf(connection, channel, Buffer.concat(chunks).toString());
      if (exec.operation === undefined) host.counts.probes += 1;
      else host.operations.push(exec.operation);
      host.onExec(exec);
    });
  });
}

function execOf(connection: Connection, channel: ServerChannel, stdin: string): Exec {
  return {
    channel,
    stdin,
    nonce: /^nonce=(\w+)$/m.exec(stdin)?.[1] ?? "",
    operation: /^operation=(\S+)$/m.exec(stdin)?.[1],
    answer(lines, code) {
      channel.write(lines.map((line) => `${line}\n`).join(""));
      if (code !== undefined) channel.exit(code);
      channel.end();
    },
    drop: () => connection.end(),
  };
}
