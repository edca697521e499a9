/**
 * What runs in the pods of a cluster in the lab as the real program: Flux's controllers and Gitea.
 * Nobody waits for them but who uses them.
 */
import type { Source } from "./programs";

const GITEA = "1.26.1";
const giteaUrl = `https://dl.gitea.com/gitea/${GITEA}/gitea-${GITEA}-linux-amd64`;

const CONTROLLERS = ["source-controller", "kustomize-controller", "helm-controller"] as const;

/** Its releases have images only, so it is always built. */
export const FLUX: Source = {
  name: "flux",
  version: "2.9.0",
  programs: CONTROLLERS,
  versionOf: (program) => [program, "--help"],
  accepted: /^$/,
  packages: CONTROLLERS.map((program) => `github.com/fluxcd/${program}`),
  linked: {},
  assets: Object.fromEntries(
    CONTROLLERS.map((program) => [
      `crds/${program}`,
      { module: `github.com/fluxcd/${program}`, directory: "config/crd/bases" },
    ]),
  ),
  minutes: 16,
};

const giteaAsset = (directory: string): [string, { module: string; directory: string }] => [
  `assets/${directory}`,
  { module: "code.gitea.io/gitea", directory },
];

/** The release contains the assets. The build has no web pages, only the API and Git. */
export const GITEA_SOURCE: Source = {
  name: "gitea",
  version: GITEA,
  programs: ["gitea"],
  versionOf: (program) => [program, "--version"],
  accepted: /^gitea version 1\.26\./i,
  packages: ["code.gitea.io/gitea"],
  linked: { "main.Version": GITEA },
  tags: ["sqlite", "sqlite_unlock_notify"],
  assets: Object.fromEntries(["options", "templates"].map(giteaAsset)),
  minutes: 12,
  release: { kind: "files", url: () => giteaUrl, sumUrl: () => `${giteaUrl}.sha256` },
};
