/** Public SSH keys as texts. Pure. */
import { createHash } from "node:crypto";

/** `SHA256:...` as ssh-keygen -l prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The key bytes of `ssh-ed25519 AAAA...`. */
export function keyBlob(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
}
