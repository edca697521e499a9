/** The programs of a cluster in the lab: which ones, in which version, and where from. */
import { join } from "node:path";
import { labSource } from "../paths";

/** Programs that come together, from one release or one Go module. */
export interface Source {
  name: "etcd" | "kubernetes" | "kwok" | "helm" | "flux" | "gitea";
  version: string;
  programs: readonly string[];
  /** Prints the version of a program on PATH, and what that must look like. */
  versionOf: (program: string) => readonly string[];
  accepted: RegExp;
  /** Go packages, in the order of `programs`, and the variables that hold the version. */
  packages: readonly string[];
  linked: Readonly<Record<string, string>>;
  /** Build tags. With them the programs are built with C. */
  tags?: readonly string[];
  /** Files that the programs or their users require: place in the result -> where they are. */
  assets?: Readonly<Record<string, { module: string; directory: string }>>;
  /** Of processor time. */
  minutes: number;
  release?: Release;
}

/** An official release with published checksums. */
export type Release =
  | { kind: "files"; url: (program: string) => string; sumUrl: (program: string) => string }
  | {
      kind: "archive";
      url: string;
      sumsUrl: string;
      /** The directory in the archive. Default: the archive's name. */
      root?: string;
    };

const KUBERNETES = "1.36.3";
const ETCD = "3.6.14";
const KWOK = "0.8.0";
const HELM = "4.2.4";

const kubernetesUrl = (program: string): string =>
  `https://dl.k8s.io/v${KUBERNETES}/bin/linux/amd64/${program}`;
const etcdRelease = `https://github.com/etcd-io/etcd/releases/download/v${ETCD}`;
const helmArchive = `https://get.helm.sh/helm-v${HELM}-linux-amd64.tar.gz`;
const kubernetesVersion = "k8s.io/component-base/version";

export const SOURCES: readonly Source[] = [
  {
    name: "etcd",
    version: ETCD,
    programs: ["etcd"],
    versionOf: (program) => [program, "--version"],
    accepted: /^etcd Version: 3\.6\./,
    packages: ["go.etcd.io/etcd/server/v3"],
    linked: {},
    minutes: 3,
    release: {
      kind: "archive",
      url: `${etcdRelease}/etcd-v${ETCD}-linux-amd64.tar.gz`,
      sumsUrl: `${etcdRelease}/SHA256SUMS`,
    },
  },
  {
    name: "kubernetes",
    version: KUBERNETES,
    programs: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"],
    versionOf: (program) =>
      program === "kubectl" ? [program, "version", "--client"] : [program, "--version"],
    accepted: /^(Kubernetes|Client Version:) v1\.36\.\d+$/m,
    packages: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"].map(
      (program) => `k8s.io/kubernetes/cmd/${program}`,
    ),
    // Clients cannot parse the version that is in the module.
    linked: {
      [`${kubernetesVersion}.gitVersion`]: `v${KUBERNETES}`,
      [`${kubernetesVersion}.gitMajor`]: "1",
      [`${kubernetesVersion}.gitMinor`]: "36",
    },
    minutes: 17,
    release: {
      kind: "files",
      url: kubernetesUrl,
      sumUrl: (program) => `${kubernetesUrl(program)}.sha256`,
    },
  },
  {
    name: "kwok",
    version: KWOK,
    programs: ["kwok"],
    versionOf: (program) => [program, "--version"],
    accepted: /^kwok version v0\.8\./,
    packages: ["sigs.k8s.io/kwok/cmd/kwok"],
    linked: {},
    // Its releases have no checksums. Go checks the module.
    minutes: 3,
  },
  {
    name: "helm",
    version: HELM,
    programs: ["helm"],
    versionOf: (program) => [program, "version", "--short"],
    accepted: /^v4\.2\./,
    packages: ["helm.sh/helm/v4/cmd/helm"],
    linked: { "helm.sh/helm/v4/internal/version.version": `v${HELM}` },
    minutes: 3,
    release: {
      kind: "archive",
      url: helmArchive,
      sumsUrl: `${helmArchive}.sha256sum`,
      root: "linux-amd64",
    },
  },
];

export const moduleDirectory = (source: Source): string =>
  join(labSource, "kubernetes", source.name);
