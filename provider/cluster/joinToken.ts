/**
 * k0s's join tokens: base64 of gzip of a kubeconfig (k0s pkg/token/kubeconfig.go). Pure.
 *
 * A joined node keeps a token file, since k0s may read it again. What is in it then is a dummy that
 * parses: k0sproject/k0s#7202. The script k0s-condition does not start k0s by it.
 */
import { gunzipSync, gzipSync } from "node:zlib";

export type TokenRole = "controller" | "worker";

export interface JoinToken {
  /** By which k0s invalidates it. The rest of the token is secret. */
  id: string;
  role: TokenRole;
  /** Where the new node reaches the cluster. */
  server: string;
}

const USERS: Readonly<Record<TokenRole, string>> = {
  controller: "controller-bootstrap",
  worker: "kubelet-bootstrap",
};

/** No token of Kubernetes' own: those are random. */
const DUMMY = "000000.0000000000000000";
/** A real token's kubeconfig has about 2 KiB. */
const MAX_BYTES = 64 * 1024;

/** What replaces a token that was used. The port refuses connections. */
export function dummyToken(role: TokenRole): string {
  const user = USERS[role];
  const kubeconfig = [
    "apiVersion: v1",
    "clusters:",
    "- cluster:",
    "    server: https://127.0.0.1:1",
    "  name: k0s",
    "contexts:",
    "- context:",
    "    cluster: k0s",
    `    user: ${user}`,
    "  name: k0s",
    "current-context: k0s",
    "kind: Config",
    "users:",
    `- name: ${user}`,
    "  user:",
    `    token: "${DUMMY}"`,
    "",
  ].join("\n");
  return gzipSync(kubeconfig).toString("base64");
}

/** What `k0s token create` printed. Undefined if it is no join token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const kubeconfig = decode(text.trim());
  if (kubeconfig === undefined) return undefined;
  const valueOf = (key: string, pattern: string) =>
    new RegExp(`^ *${key}: *"?(${pattern})"?$`, "m").exec(kubeconfig)?.[1];
  const id = valueOf("token", "[a-z0-9]{6}\\.[a-z0-9]{16}")?.split(".")[0];
  const server = valueOf("server", 'https://[^\\s"]+');
  const user = valueOf("user", "[a-z-]+");
  const role = user === USERS.controller ? "controller" : "worker";
  if (id === undefined || server === undefined || user !== USERS[role]) return undefined;
  return { id, role, server };
}

function decode(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  try {
    const bytes = gunzipSync(Buffer.from(text, "base64"), { maxOutputLength: MAX_BYTES });
    return bytes.toString("utf8");
  } catch {
    return undefined;
  }
}
