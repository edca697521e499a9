/**
 * Helm's records of releases: Secrets `sh.helm.release.v1.NAME.vREVISION`, with base64 of gzip of
 * JSON in them (helm pkg/storage/driver). Pure.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { SeedRelease } from "../../../contract/gitops";
import type { KubeObject } from "../../cluster/kube/objectClient";
import { chartName } from "./commands";

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b, 0x08]);

const whole = z.looseObject({ info: z.looseObject({ status: z.string() }) });

const stored = z.object({
  info: z.object({ status: z.string(), description: z.string().default("") }),
  chart: z.object({
    metadata: z.object({ name: z.string().default(""), version: z.string().default("") }),
  }),
  config: z.record(z.string(), z.unknown()).nullish(),
  manifest: z.string().default(""),
});

/** The latest record of a release. */
export interface Release {
  name: string;
  /** Of the record. */
  namespace: string;
  revision: number;
  /** helm pkg/release/common/status.go */
  status: string;
  description: string;
  labels: Readonly<Record<string, string>>;
  chart: { name: string; version: string };
  /** The values that were given. */
  values: Record<string, unknown>;
  manifest: string;
  secret: KubeObject;
}

/** Undefined: it is no record that can be read. */
export function releaseOf(secret: KubeObject): Release | undefined {
  const { labels, namespace } = secret.metadata;
  const parsed = stored.safeParse(decoded(secret));
  if (!parsed.success) return undefined;
  const { info, chart, config, manifest } = parsed.data;
  return {
    name: labels["name"] ?? "",
    namespace,
    revision: Number(labels["version"] ?? "0"),
    status: info.status,
    description: info.description,
    labels,
    chart: chart.metadata,
    values: config ?? {},
    manifest,
    secret,
  };
}

/** Of the records of one release. */
export function latest(secrets: readonly KubeObject[]): KubeObject | undefined {
  const revision = ({ metadata }: KubeObject): number => Number(metadata.labels["version"] ?? "0");
  return [...secrets].sort((a, b) => revision(b) - revision(a))[0];
}

export const recordPath = (namespace: string, name: string, revision: number): string =>
  `/api/v1/namespaces/${namespace}/secrets/sh.helm.release.v1.${name}.v${revision}`;

const data = z.object({ release: z.string() });

function decoded(secret: KubeObject): unknown {
  const parsed = data.safeParse(secret["data"]);
  if (!parsed.success) return undefined;
  try {
    const packed = Buffer.from(Buffer.from(parsed.data.release, "base64").toString(), "base64");
    const isPacked = packed.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
    return JSON.parse((isPacked ? gunzipSync(packed) : packed).toString());
  } catch {
    return undefined;
  }
}

export function encodeRelease(record: object): string {
  const packed = gzipSync(JSON.stringify(record)).toString("base64");
  return Buffer.from(packed).toString("base64");
}

/** Helm is at work, or was killed at it. */
export const isPending = (status: string): boolean => status.startsWith("pending-");

/**
 * A merge patch by which a pending release counts as failed, as helm-controller does it
 * (internal/reconcile/unlock.go). It fails if the record has changed meanwhile.
 */
export function unlockPatch({ secret, status }: Release, now = Date.now()): object {
  const record = whole.parse(decoded(secret));
  const description = `Release unlocked from stale '${status}' state`;
  const info = { ...record.info, status: "failed", description };
  return {
    metadata: {
      resourceVersion: secret.metadata.resourceVersion,
      labels: { status: "failed", modifiedAt: String(Math.floor(now / 1000)) },
    },
    data: { release: encodeRelease({ ...record, info }) },
  };
}

/** Does the release have the chart and the values that are wanted? */
export function isAsWanted(
  { chart, values }: Pick<Release, "chart" | "values">,
  wanted: Pick<SeedRelease, "chart" | "values">,
): boolean {
  return (
    chart.name === chartName(wanted.chart) &&
    sameVersion(chart.version, wanted.chart.version) &&
    isDeepStrictEqual(values, JSON.parse(wanted.values))
  );
}

/** Helm finds 1.2.3 for v1.2.3, and ignores what follows a `+` in tags of OCI registries. */
function sameVersion(a: string, b: string): boolean {
  const plain = (version: string): string => version.replace(/^v/, "").replace(/\+.*$/, "");
  return plain(a) === plain(b);
}
