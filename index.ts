/**
 * The program: reads the stack's site file, has its flake evaluated, and builds the site.
 *
 * Configuration of the stack:
 * - `pulumi-microvm:site`: the site file, relative to the project. Default: `stacks/<stack>.yaml`.
 * - `pulumi-microvm:sshPrivateKey` (secret): a private key for the hosts. Agent and key files are
 *   used too.
 */
import "./compileCache";
import "./components/sdkDiagnostics";
import { join, relative, resolve } from "node:path";
import * as pulumi from "./components/pulumi";
import { evaluateSite } from "./components/evaluation/evaluate";
import { readSite } from "./components/readSite";
import { Site } from "./components/site";

/** The project's directory: this file is compiled to bin/. */
const project = resolve(__dirname, "..");

/** The stack's outputs: `hypervisors` and `vms`, by name. */
async function main(): Promise<Pick<Site, "hypervisors" | "vms">> {
  const config = new pulumi.Config();
  const stack = pulumi.getStack();
  const file = resolve(project, config.get("site") ?? join("stacks", `${stack}.yaml`));
  const inside = relative(process.cwd(), file);

  const model = readSite(inside.startsWith("..") ? file : inside);
  // Before any resource is registered, so that a fault of the flake is one error.
  const built = await evaluateSite(model, join(project, ".site", stack));
  const privateKey = config.getSecret("sshPrivateKey");
  const { hypervisors, vms } = new Site(stack, { model, built, privateKey });
  return { hypervisors, vms };
}

export = main;
