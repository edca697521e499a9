/**
 * The program: reads the stack's site file and builds it.
 *
 * Configuration of the stack:
 * - `pulumi-microvm:site`: the site file, relative to the project. Default: `stacks/<stack>.yaml`.
 * - `pulumi-microvm:sshPrivateKey` (secret): a private key for the hosts, beside agent and key files.
 */
import "./components/lean";
import { join, relative, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Site } from "./components/site";
import { loadSite } from "./site/load";
import { SiteError } from "./site/faults";
import type { SiteModel } from "./site/model";

/** The project's directory: this file is compiled to bin/. */
const project = resolve(__dirname, "..");

function read(file: string): SiteModel {
  try {
    return loadSite(file);
  } catch (error) {
    if (error instanceof SiteError) throw new pulumi.RunError(error.message);
    throw error;
  }
}

const config = new pulumi.Config();
const stack = pulumi.getStack();
const file = resolve(project, config.get("site") ?? join("stacks", `${stack}.yaml`));

const inside = relative(process.cwd(), file);
const site = new Site(stack, {
  model: read(inside.startsWith("..") ? file : inside),
  siteDirectory: join(project, ".site", stack),
  privateKey: config.getSecret("sshPrivateKey"),
});

/** Per VM: address, hypervisor, running, runner, stale, guestHostKey. */
export const vms = site.vms;
