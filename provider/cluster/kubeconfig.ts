/** The kubeconfig that a stack hands out, and what it says about itself. Pure. */
import { expiryOf, certificateOf } from "../hosts/facts/k0sFacts";
import { API_PORT } from "./config";
import { expiresSoon } from "./k0sGuest";
import type { Identity } from "./k0sGuest";

/** The URL of the API at the endpoint of the site. */
export function serverOf(endpoint: string): string {
  return `https://${endpoint}:${API_PORT}`;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** In the certificate of the API of each controller. */
export const API_SERVER_NAME = "kubernetes";

/**
 * A kubeconfig in YAML, with one context of the cluster's name. `serverName`: the name in the
 * server's certificate, where the URL has another one.
 */
export function makeKubeconfig(
  cluster: string,
  server: string,
  identity: Identity,
  serverName?: string,
): string {
  const user = `pulumi-microvm@${cluster}`;
  return [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    `- name: ${cluster}`,
    "  cluster:",
    `    certificate-authority-data: ${base64(identity.ca)}`,
    `    server: ${server}`,
    ...(serverName === undefined ? [] : [`    tls-server-name: ${serverName}`]),
    "contexts:",
    `- name: ${cluster}`,
    "  context:",
    `    cluster: ${cluster}`,
    `    user: ${user}`,
    `current-context: ${cluster}`,
    "users:",
    `- name: ${user}`,
    "  user:",
    `    client-certificate-data: ${base64(identity.cert)}`,
    `    client-key-data: ${base64(identity.key)}`,
    "",
  ].join("\n");
}

/** The same identity for another endpoint of the cluster. */
export function withServer(kubeconfig: string, server: string): string {
  return kubeconfig.replace(/^( *server: ).*$/m, `$1${server}`);
}

export type KubeconfigStatus = "valid" | "expires soon" | "outdated";

/** `outdated`: it is for another CA or another server, or no kubeconfig of ours. */
export function kubeconfigStatus(
  text: string,
  { server, caFingerprint }: { server: string; caFingerprint: string },
  now = Date.now(),
): KubeconfigStatus {
  const field = (key: string): string | undefined =>
    new RegExp(`^ *${key}: (.+)$`, "m").exec(text)?.[1];
  const ca = certificateOf(field("certificate-authority-data"))?.fingerprint256;
  const expires = expiryOf(field("client-certificate-data"));
  if (ca !== caFingerprint || field("server") !== server || expires === undefined) {
    return "outdated";
  }
  return expiresSoon({ expires }, now) ? "expires soon" : "valid";
}
