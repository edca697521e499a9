/** What users write about the add-ons of the cluster and the GitOps tree, in zod. */
import { z } from "zod";
import { SEED_NAMES } from "../contract/gitops";
import * as gitOps from "./gitOpsScalars";
import { duration, line, name } from "./scalars";
import { demand, flag } from "./schemaParts";

const chart = demand(
  z.strictObject({
    repository: gitOps.chartRepository
      .optional()
      .describe("Address of the Helm repository: https://HOST/PATH, or oci://HOST/PATH."),
    name: gitOps.chartName.optional().describe("Name of the chart in the repository."),
    version: gitOps.chartVersion.optional().describe("Version of the chart."),
  }),
  "repository",
  "name",
  "version",
).describe("The chart, if no HelmRelease in the tree names it.");

const values = z.record(z.string(), z.unknown());

const release = {
  chart: chart.optional(),
  namespace: gitOps.namespace
    .optional()
    .describe("Namespace of the release. Default: kube-system, openebs, rook-ceph or gitea."),
  releaseName: gitOps.releaseName.optional().describe("Default: the name of the chart."),
  values: values
    .optional()
    .describe("Values of the chart. Passwords do not belong here. Default: none."),
};

const seed = {
  skip: flag.describe("true: it is not installed."),
  helmRelease: gitOps.namespacedName
    .optional()
    .describe(
      "NAMESPACE/NAME of the HelmRelease in the tree that takes it over. It is installed as Flux " +
        "would install it.",
    ),
  helmReleases: z
    .array(gitOps.namespacedName)
    .min(1)
    .optional()
    .describe("As helmRelease, for several of them, in the order in which they are installed."),
  ...release,
  releases: z
    .array(demand(z.strictObject(release), "chart"))
    .min(1)
    .optional()
    .describe("As chart, for several of them, in the order in which they are installed."),
  timeout: duration
    .optional()
    .describe("Time limit until it is ready, from its installation. Default: 15m."),
};

const seedSchema = z.strictObject(seed);

const osds = z
  .int()
  .min(1)
  .max(10000)
  .optional()
  .describe("How many OSDs must be up. Default: it is not checked.");

const node = name
  .optional()
  .describe("The worker VM that has Gitea's volume. Required: the volume is local to a node.");

const seeds = z
  .strictObject({
    cilium: seedSchema.optional().describe("The network of the pods."),
    openebs: seedSchema.optional().describe("Local volumes, and the default StorageClass."),
    rookCeph: z
      .strictObject({ ...seed, osds })
      .optional()
      .describe("Rook and its Ceph cluster."),
    gitea: z
      .strictObject({ ...seed, node })
      .optional()
      .describe("The Git server in the cluster. It stays with Pulumi."),
  } satisfies Record<(typeof SEED_NAMES)[number], z.ZodType>)
  .describe("The add-ons that are installed before Flux takes over. Each by exactly one key.");

export const gitOpsSchema = z
  .strictObject({
    tree: line.optional().describe("Directory of the GitOps tree, relative to this file."),
    path: gitOps.inside
      .optional()
      .describe("Directory in the tree that Flux applies for this cluster. Required with tree."),
    branch: gitOps.branch.optional().describe("Branch that Flux follows. Default: main."),
    repository: gitOps.repository
      .optional()
      .describe("OWNER/NAME of the repository in the Gitea of the cluster. Default: none."),
    settings: z
      .record(gitOps.variable, z.string())
      .optional()
      .describe(
        "Data of the ConfigMap flux-system/cluster-settings, for postBuild.substituteFrom. " +
          "CLUSTER_NAME is added. Default: none.",
      ),
    flux: demand(
      z.strictObject({
        manifests: gitOps.inside
          .optional()
          .describe("File in the tree with Flux's own manifests, as `flux install` writes it."),
      }),
      "manifests",
    )
      .optional()
      .describe("With this key, Flux is installed and the cluster is handed over to it."),
    seeds: seeds.optional(),
  })
  .describe("What runs in the cluster, and its hand-over to Flux. Requires cluster.");

export type GitOpsFile = z.infer<typeof gitOpsSchema>;
export type SeedFile = NonNullable<NonNullable<GitOpsFile["seeds"]>["gitea"]> & {
  osds?: number | undefined;
};
export type ReleaseFile = Pick<SeedFile, "chart" | "namespace" | "releaseName" | "values">;
