/**
 * What the program reads for the add-ons of a cluster, before any resource is registered.
 *
 * Configuration of the stack, all secret:
 * - `giteaPassword`: of Gitea's administrator, for a site with `gitops.seeds.gitea`.
 * - `ageKey`: decrypts what SOPS has encrypted in the GitOps tree.
 * - `clusterSecrets`: an object of texts, the data of the Secret flux-system/cluster-secrets.
 */
import * as pulumi from "../pulumi";
import type { GitOpsModel } from "../../site/gitOpsModel";
import type { SiteGitOps } from "../site";
import type { ClusterSecrets, PushedTree } from "./gitOps";
import { readGitOps } from "./readGitOps";
import type { GitOpsSecrets, TreeRepository } from "./readGitOps";
import { readRepository } from "./repository";

const SET = "pulumi config set --secret";

export async function readSiteGitOps(gitOps: GitOpsModel): Promise<SiteGitOps> {
  const secrets = configured();
  const hasGitea = gitOps.seeds.some(({ name }) => name === "gitea");
  if (hasGitea && secrets.giteaPassword === undefined) {
    throw new pulumi.RunError(`gitops.seeds.gitea needs a password: ${SET} giteaPassword`);
  }
  const { seeds, repository } = await readGitOps(gitOps, await plainOf(secrets));
  return {
    seeds,
    tree: repository && (await pushedTree(gitOps, repository)),
    settings: gitOps.settings,
    manifests: gitOps.flux?.manifests,
    secrets,
  };
}

function configured(): ClusterSecrets {
  const config = new pulumi.Config();
  return {
    ageKey: config.getSecret("ageKey"),
    giteaPassword: config.getSecret("giteaPassword"),
    clusterSecrets: config.getSecretObject<Record<string, string>>("clusterSecrets"),
  };
}

/** What the tree's reader needs of them. They stay in the memory of the program. */
async function plainOf({ ageKey, clusterSecrets }: ClusterSecrets): Promise<GitOpsSecrets> {
  return {
    ...(ageKey !== undefined && { ageKey: await valueOf(ageKey) }),
    ...(clusterSecrets !== undefined && { clusterSecrets: await valueOf(clusterSecrets) }),
  };
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => void output.apply((value) => resolve(value)));
}

/** Undefined: the site names no repository, so nothing is pushed. */
async function pushedTree(
  { tree, repository, branch }: GitOpsModel,
  { path }: TreeRepository,
): Promise<PushedTree | undefined> {
  if (tree === undefined || repository === undefined) return undefined;
  const { directory } = tree;
  const name = `${repository.owner}/${repository.name}`;
  return { ...(await readRepository(directory)), directory, path, branch, repository: name };
}
