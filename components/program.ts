/**
 * The whole program: reads the stack's site file, has its flake evaluated, and builds the site.
 *
 * Configuration of the stack:
 * - `site`: the site file, relative to the project. Default: `stacks/<stack>.yaml`.
 * - `sshPrivateKey` (secret): a private key for the hosts. Agent and key files are used too.
 * - `helm`: the path of the program `helm`. Default: it is on PATH.
 * - Secrets of the add-ons: components/gitops/siteGitOps.ts.
 */
import { join } from "node:path";
import * as pulumi from "./pulumi";
import { evaluateSite } from "./evaluation/evaluate";
import { treesBehindLinks } from "./links";
import { requireNode } from "./nodeVersion";
import { loadSite, projectDirectory } from "./project";
import { sendNoDebugMessages } from "./sdkDiagnostics";
import { Site, outputsOf } from "./site";
import type { SiteArgs, SiteGitOps, SiteOutputs } from "./site";
import type { SiteModel } from "../site/model";

/**
 * The arguments of the stack's Site. Everything is read and evaluated before any resource is
 * registered, so that a fault of the site or its flake is one error.
 */
export async function siteArgs(): Promise<SiteArgs> {
  requireNode();
  const project = projectDirectory();
  warnOfLinks(project);
  const model = loadSite();
  const [built, gitOps] = await Promise.all([
    evaluateSite(model, join(project, ".site", pulumi.getStack())),
    readGitOpsOf(model),
  ]);
  const config = new pulumi.Config();
  const privateKey = config.getSecret("sshPrivateKey");
  return { model, built, privateKey, helm: config.get("helm"), gitOps };
}

/** Most sites do without, and need not load it. */
async function readGitOpsOf({ gitOps }: SiteModel): Promise<SiteGitOps | undefined> {
  if (gitOps === undefined) return undefined;
  const { readSiteGitOps } = await import("./gitops/siteGitOps.js");
  return readSiteGitOps(gitOps);
}

/**
 * A program by itself. The stack's outputs are `hypervisors` and `vms`, by name. A site with a
 * cluster has `cluster` and the secret `kubeconfig` too.
 */
export async function run(): Promise<SiteOutputs> {
  if (process.env["PULUMI_MICROVM_DEBUG"] !== "true") sendNoDebugMessages();
  return outputsOf(new Site(pulumi.getStack(), await siteArgs()));
}

function warnOfLinks(project: string): void {
  for (const { link, target } of treesBehindLinks(project)) {
    void pulumi.log.warn(
      `${link} links to ${target}: Pulumi reads that whole tree in each preview, which takes ` +
        `seconds. Remove the link with \`rm ${link}\`. \`nix build --no-link\` makes none`,
    );
  }
}
