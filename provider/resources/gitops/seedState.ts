/** The inputs and the outputs of `Seed`, and what the cluster says about a release. */
import { z } from "zod";
import type { SeedChart } from "../../../contract/gitops";
import type { HelmRelease } from "../../gitops/helmReleases";
import { isAsWanted, isPending } from "../../gitops/helm/release";
import type { Release } from "../../gitops/helm/release";
import { isOurs, ownerLabels, stackIn } from "../../gitops/ownership";
import type { Releases } from "../../gitops/releases";
import { ProviderError } from "../../errors";
import type { InputFault } from "../../resource";

const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "must be lower-case letters, digits and '-'");
/** helm pkg/chart/v2/util/validate_name.go */
const LONGEST_NAME = 53;

const chart = z
  .object({
    kind: z
      .enum(["repository", "oci", "path"])
      .meta({ id: "SeedChartKind" })
      .describe("Where the chart is: a Helm repository, an OCI registry or a directory."),
    url: z.string().optional().describe("Of the repository; or oci://REGISTRY/PATH."),
    name: z.string().optional().describe("Name of the chart. Not for oci."),
    path: z.string().optional().describe("Absolute path of the chart's directory."),
    version: z.string().min(1).describe("One version."),
  })
  .meta({ id: "SeedChart" });

const adopter = z
  .object({
    namespace: label.describe("Its namespace."),
    name: z.string().min(1).describe("Its name."),
    source: z.string().describe("FILE:LINE in the GitOps tree."),
  })
  .meta({ id: "SeedAdopter" });

const cephCluster = z
  .object({
    namespace: label.describe("Its namespace."),
    name: z.string().min(1).describe("Its name."),
    osds: z.int().min(1).describe("How many OSDs must be up."),
  })
  .meta({ id: "SeedCephCluster" });

const gate = z
  .object({
    workloads: z.boolean().default(true).describe("Its workloads are ready. Default: true."),
    nodes: z.boolean().default(false).describe("All nodes are Ready. Default: false."),
    crds: z.array(z.string()).default([]).describe("These CRDs are established: `PLURAL.GROUP`."),
    defaultStorageClass: z
      .boolean()
      .default(false)
      .describe("The cluster has a default StorageClass. Default: false."),
    cephCluster: cephCluster.optional().describe("This CephCluster is Ready. Default: none."),
  })
  .meta({ id: "SeedGate" });

const OWNERS = ["flux", "pulumi"] as const;
const owner = z.enum(OWNERS).meta({ id: "SeedOwner" });

export const inputs = z.object({
  cluster: z.string().min(1).describe("Name of the cluster."),
  releaseName: label.max(LONGEST_NAME).describe("Name of the Helm release."),
  namespace: label.describe("Namespace of the release's objects. It is created."),
  storageNamespace: label.describe("Namespace of Helm's records. Equals `namespace`."),
  chart: chart.describe("The chart and its version."),
  values: z.string().describe("The values of the release as JSON."),
  adopter: adopter
    .optional()
    .describe("The HelmRelease that takes the release over. Default: none."),
  owner: owner
    .default("flux")
    .describe("pulumi: the release stays with Pulumi, and a HelmRelease for it is refused."),
  gate: gate.prefault({}).describe("What must be so before what depends on the release."),
  timeoutSeconds: z
    .int()
    .min(1)
    .default(600)
    .describe("Time limit of an installation with its gate. Default: 600."),
});
export type Inputs = z.infer<typeof inputs>;

export const outputs = z.object({
  owner: owner.describe("Who changes the release now: flux from when its HelmRelease exists."),
  status: z
    .string()
    .describe("deployed; changed: by somebody else; failed; pending: interrupted; handed over."),
  revision: z.int().describe("The last revision that Pulumi made. 0: none."),
  generations: z
    .record(z.string(), z.int())
    .describe("Workload -> its generation after Pulumi's last change."),
  adopted: z.boolean().describe("Flux has made a revision on top of Pulumi's."),
  restarted: z.array(z.string()).describe("Workloads whose pods the adoption restarted."),
});
export type State = z.infer<typeof outputs>;

/** Complete, as `checkChart` has found it. */
export function chartOf({ chart: { kind, url = "", name = "", path = "", version } }: Inputs) {
  const charts: Record<SeedChart["kind"], SeedChart> = {
    repository: { kind: "repository", url, name, version },
    oci: { kind: "oci", url, version },
    path: { kind: "path", path, name, version },
  };
  return charts[kind];
}

export function faultsOf({ chart: given, values, ...wanted }: Inputs): InputFault[] {
  const needed = { repository: ["url", "name"], oci: ["url"], path: ["path", "name"] } as const;
  const missing = needed[given.kind].filter((key) => (given[key] ?? "") === "");
  const faults = missing.map((key) => {
    return { property: `chart.${key}`, reason: `is required for kind ${given.kind}` };
  });
  const { url = "", kind, name = "", path = "" } = given;
  const isUrl = kind === "path" || /^(https?|oci):\/\//.test(url);
  const isOption = [name, path, given.version].some((text) => text.startsWith("-"));
  if (url !== "" && !isUrl) faults.push({ property: "chart.url", reason: "must be a URL" });
  if (isOption) faults.push({ property: "chart", reason: "must not begin with '-'" });
  if (!isObject(values)) faults.push({ property: "values", reason: "must be a JSON object" });
  if (wanted.storageNamespace !== wanted.namespace) {
    const reason = "must equal namespace: there the program helm keeps its records";
    faults.push({ property: "storageNamespace", reason });
  }
  return faults;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

export interface Observed {
  /** The latest revision. Undefined: there is none. */
  release: Release | undefined;
  /** The HelmRelease to which the release belongs. */
  helmRelease: HelmRelease | undefined;
}

export const releaseKey = ({ storageNamespace, releaseName }: Inputs): string =>
  `${storageNamespace}/${releaseName}`;

/** The adopter; or another HelmRelease that manages the same release. */
export function helmReleaseFor(
  wanted: Inputs,
  { helmReleases }: Pick<Releases, "helmReleases">,
): HelmRelease | undefined {
  const { adopter: one, releaseName, storageNamespace } = wanted;
  return helmReleases.find(
    (found) =>
      (found.namespace === one?.namespace && found.name === one.name) ||
      (found.releaseName === releaseName && found.storageNamespace === storageNamespace),
  );
}

/** A release of that name that this stack did not make is never taken over unasked. */
export function refuseForeign({ urn }: { urn: string }, wanted: Inputs, release: Release): void {
  if (isOurs(release.labels, urn)) return;
  const name = `the Helm release ${releaseKey(wanted)}`;
  const stack = stackIn(release.labels);
  if (stack !== undefined) {
    throw new ProviderError(
      "owned",
      `${name} belongs to the stack ${stack}`,
      "Remove it from that stack first, or use another name here.",
    );
  }
  const labels = Object.entries(ownerLabels(urn)).map(([key, value]) => `${key}=${value}`);
  throw new ProviderError(
    "foreign",
    `${name} exists, and no stack has made it`,
    `To import it, run: kubectl label secret -n ${release.namespace} ` +
      `${release.secret.metadata.name} ${labels.join(" ")}`,
  );
}

/** What is to be done with a release that is not handed over. Pure. */
export type Step = "install" | "install again" | "unlock" | "upgrade" | "nothing";

export function stepFor(wanted: Inputs, release: Release | undefined): Step {
  if (release === undefined) return "install";
  if (release.status === "uninstalled") return "install again";
  if (isPending(release.status) || release.status === "uninstalling") return "unlock";
  const isDone = release.status === "deployed" && isAsWanted(release, wantedOf(wanted));
  return isDone ? "nothing" : "upgrade";
}

const wantedOf = (wanted: Inputs) => ({ chart: chartOf(wanted), values: wanted.values });

/** In words, for `status`. */
export function statusOf(wanted: Inputs, release: Release): string {
  switch (stepFor(wanted, release)) {
    case "nothing":
      return "deployed";
    case "unlock":
      return "pending";
    case "upgrade":
      return release.status === "deployed" ? "changed" : "failed";
    default:
      return release.status;
  }
}
