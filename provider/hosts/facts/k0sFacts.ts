/** Parses the facts of k0s in a guest, which scripts/guests/k0s-probe.sh prints. Pure. */
import { X509Certificate } from "node:crypto";
import { z } from "zod";

export interface K0sFacts {
  /** The role of the unit. A controller+worker is a controller. */
  role: "controller" | "worker";
  /** The cluster for which the guest's system was built. */
  cluster: string;
  /** As systemctl is-active prints it; `unknown` if it did not answer. */
  unit: string;
  /** The data of an earlier start: with it, k0s resumes. */
  hasData: boolean;
  /** What is in the token file. */
  token: "none" | "dummy" | "real" | "invalid";
  /** The cluster of a founding mark that was not consumed. */
  mark: string | undefined;
  /** Why the provider stopped k0s. It does not start while this is set. */
  stopped: string | undefined;
  /** The text of the ownership record beside the data. */
  record: string | undefined;
  /** SHA-256 of the CA's certificate: `AB:CD:...`. */
  caFingerprint: string | undefined;
  /** Our identity in the PKI of a controller. */
  identity: { expires: Date } | undefined;
  /** The version of the running k0s: `v1.36.3+k0s.2`. Undefined if it does not answer. */
  version: string | undefined;
  /** The API of a controller answers on the guest itself. */
  isApiReady: boolean;
  /** Members of etcd as a controller lists them: name -> peer URL. Undefined without an answer. */
  etcdMembers: Readonly<Record<string, string>> | undefined;
}

const memberList = z.object({ members: z.record(z.string(), z.string()) });

/** `lines`: those of `k0s`, without that word. Undefined if the guest has no unit k0s. */
export function parseK0sFacts(lines: readonly (readonly string[])[]): K0sFacts | undefined {
  const fields = new Map(lines.map(([key = "", value = ""]) => [key, value]));
  const field = (key: string): string | undefined => fields.get(key);
  const cluster = field("cluster");
  if (cluster === undefined) return undefined;
  const expires = expiryOf(field("identity"));
  return {
    role: field("role") === "controller" ? "controller" : "worker",
    cluster,
    unit: field("unit") ?? "unknown",
    hasData: field("data") === "yes",
    token: tokenKind(field("token")),
    mark: field("mark"),
    stopped: field("stopped"),
    record: field("record"),
    caFingerprint: certificateOf(field("ca"))?.fingerprint256,
    identity: expires === undefined ? undefined : { expires },
    version: field("version"),
    isApiReady: field("api") === "yes",
    etcdMembers: membersOf(field("members")),
  };
}

function tokenKind(text: string | undefined): K0sFacts["token"] {
  return text === "none" || text === "dummy" || text === "real" ? text : "invalid";
}

/** A certificate in PEM, in base64. Undefined if it is none. */
export function certificateOf(base64: string | undefined): X509Certificate | undefined {
  if (base64 === undefined) return undefined;
  try {
    return new X509Certificate(Buffer.from(base64, "base64"));
  } catch {
    return undefined;
  }
}

/** The end of its validity. Node 22.10 and newer have it as a date. */
export function expiryOf(base64: string | undefined): Date | undefined {
  const certificate = certificateOf(base64);
  return certificate && new Date(certificate.validTo);
}

function membersOf(json: string | undefined): Record<string, string> | undefined {
  if (json === undefined) return undefined;
  try {
    return memberList.safeParse(JSON.parse(json)).data?.members;
  } catch {
    return undefined;
  }
}
