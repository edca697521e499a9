/** A tree with one HelmRelease, edits of it, and what is read from it. */
import { readGitOps } from "../../../../components/gitops/readGitOps";
import type { GitOpsReading } from "../../../../components/gitops/readGitOps";
import type { ReadRelease } from "../../../../components/gitops/releases/release";
import type { GitOpsModel } from "../../../../site/gitOpsModel";
import { simplePrograms, treeOf } from "./simpleTree";

export const RELEASE = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: cilium
  namespace: kube-system
spec:
  interval: 10m
  chart:
    spec:
      chart: cilium
      version: 1.19.3
      sourceRef:
        kind: HelmRepository
        name: cilium
  values:
    operator: { replicas: 1 }
    ipam: { mode: kubernetes }
`;
export const REPOSITORY = `apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: { name: cilium, namespace: kube-system }
spec:
  url: https://helm.cilium.io/
`;
export const FILES = { "cluster/release.yaml": RELEASE, "cluster/repository.yaml": REPOSITORY };

export type Files = Readonly<Record<string, string>>;
export type Wanted = Partial<GitOpsModel["seeds"][number]>;

function modelOf(directory: string, wanted: Wanted = {}): GitOpsModel {
  const seed = {
    name: "cilium" as const,
    helmReleases: [{ namespace: "kube-system", name: "cilium" }],
    releases: [],
    timeoutSeconds: 900,
  };
  return {
    tree: { directory, path: "cluster" },
    branch: "main",
    settings: { REGION: "eu" },
    seeds: [{ ...seed, ...wanted }],
  };
}

let root = "";

/** Directory of the most recent tree. */
export const lastRoot = (): string => root;

export async function reading(files: Files, wanted?: Wanted): Promise<GitOpsReading> {
  root = treeOf(files);
  const secrets = { clusterSecrets: { PASSWORD: "not-a-real-one" } };
  return readGitOps(modelOf(root, wanted), secrets, simplePrograms());
}

export const edited = (from: string, to: string): Files => {
  if (!RELEASE.includes(from)) throw new Error(`the release has no ${from}`);
  return { ...FILES, "cluster/release.yaml": RELEASE.replace(from, to) };
};
export const inSpec = (text: string): Files =>
  edited("spec:\n  interval", `spec:\n${text}  interval`);

export async function onlyRelease(files: Files): Promise<ReadRelease> {
  const { seeds } = await reading(files);
  const [read] = seeds[0]?.releases ?? [];
  if (read === undefined) throw new Error("no release");
  return read;
}
export const valuesIn = async (files: Files): Promise<unknown> =>
  JSON.parse((await onlyRelease(files)).release.values);
