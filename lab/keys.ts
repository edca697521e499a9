/**
 * The lab's SSH keys. Each is derived from a public label, so stacks/lab.yaml can pin host keys
 * before any host exists, and the repository contains no private key. Anyone can derive them. They
 * protect nothing: they open only machines in network namespaces of the lab's own machine.
 */
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";

export interface KeyPair {
  /** `ssh-ed25519 AAAA...`, without a comment. */
  publicKey: string;
  /** OpenSSH's private key file. */
  privateKey: string;
}

/** PKCS #8 of an ed25519 key, up to the 32 bytes of its seed (RFC 8410). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/** The lab's key for a label such as `hv1` or `operator`. */
export function labKey(label: string): KeyPair {
  const seed = createHash("sha256").update(`pulumi-microvm lab ${label}`).digest();
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, seed]),
    format: "der",
    type: "pkcs8",
  });
  // The last 32 bytes of the SubjectPublicKeyInfo are the public key.
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(raw)]);
  return {
    publicKey: `ssh-ed25519 ${blob.toString("base64")}`,
    privateKey: privateKeyFile(blob, raw, seed, `pulumi-microvm lab ${label}`),
  };
}

/** openssh-key-v1, unencrypted (OpenSSH's PROTOCOL.key). */
function privateKeyFile(blob: Buffer, raw: Buffer, seed: Buffer, comment: string): string {
  const check = seed.subarray(0, 4);
  const secret = Buffer.concat([
    check,
    check,
    blob,
    sshString(Buffer.concat([seed, raw])),
    sshString(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: -secret.length & 7 }, (_, index) => index + 1));
  const body = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(blob),
    sshString(Buffer.concat([secret, padding])),
  ]);
  const lines = body.toString("base64").match(/.{1,70}/g) ?? [];
  return [
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    ...lines,
    "-----END OPENSSH PRIVATE KEY-----",
    "",
  ].join("\n");
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}
