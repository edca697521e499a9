/**
 * Stands in for a host's sshd (a real SSH server of ssh2 on loopback) that answers a probe with fixed
 * facts. It runs nothing: operations are beyond it, the lab has real hosts for them.
 */
import { Server, utils } from "ssh2";
import type { Connection } from "ssh2";

export interface ScriptedHost {
  port: number;
  /** The host's public key, to pin. */
  hostKey: string;
  counts: { connections: number; authentications: number; probes: number };
  /** Lines that the probe answers; changed by tests. */
  facts: string[];
  /** The probe is never answered. */
  stall: boolean;
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
    "disk-free-kib\t10485760",
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

/** A fresh ed25519 pair in OpenSSH's formats. */
export function keyPair(): { privateKey: string; publicKey: string } {
  const { private: privateKey, public: publicKey } = utils.generateKeyPairSync("ed25519");
  return { privateKey, publicKey: publicKey.split(" ").slice(0, 2).join(" ") };
}

export async function startScriptedHost(accepted: string): Promise<ScriptedHost> {
  const key = keyPair();
  const counts = { connections: 0, authentications: 0, probes: 0 };
  const open = new Set<Connection>();
  const host: ScriptedHost = {
    port: 0,
    hostKey: key.publicKey,
    counts,
    facts: healthyFacts(),
    stall: false,
    stop: () =>
      new Promise((resolve) => {
        for (const connection of open) connection.end();
        server.close(() => resolve());
      }),
  };
  const server = new Server({ hostKeys: [key.privateKey] }, (connection) => {
    counts.connections += 1;
    open.add(connection);
    connection.on("close", () => open.delete(connection));
    connection.on("error", () => undefined);
    connection.on("authentication", (context) => {
      if (context.method !== "publickey") {
        context.reject(["publickey"]);
        return;
      }
      if (context.signature) counts.authentications += 1;
      const shown = context.key.data.toString("base64");
      if (shown === accepted.split(" ")[1]) context.accept();
      else context.reject(["publickey"]);
    });
    connection.on("session", (accept) => {
      accept().on("exec", (acceptExec) => {
        const channel = acceptExec();
        const chunks: Buffer[] = [];
        channel.on("data", (chunk: Buffer) => chunks.push(chunk));
        channel.on("end", () => {
          if (host.stall) return;
          counts.probes += 1;
          const nonce = /^nonce=(\w+)$/m.exec(Buffer.concat(chunks).toString())?.[1] ?? "";
          channel.write(`${host.facts.join("\n")}\n${nonce} done\n`);
          channel.exit(0);
          channel.end();
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  host.port = typeof address === "object" && address !== null ? address.port : 0;
  return host;
}
