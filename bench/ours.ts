/** Our stack of N stopped VMs on the lab's hosts, and the expected facts of its VMs. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { run } from "../lab/command";
import { labEnvironment } from "../lab/environment";
import { HOSTS, inOperator, type LabHost } from "../lab/network";
import { checkout, labSource, stateDirectory } from "../lab/paths";
import { hostKey, operatorKey } from "../lab/ssh";
import { benchSite, type ClusterPlace, type SiteHost } from "./site";
import { Stack, seconds, type StateResource } from "./stack";

const directory = join(stateDirectory, "bench");
const siteFile = join(directory, "site.yaml");
const evaluation = join(directory, "evaluation");
/** The program's cache. Each bench begins with an empty one. */
const cache = join(directory, "cache");

export const siteHost = (host: LabHost): SiteHost => ({ ...host, hostKey: hostKey(host) });

/** The lab's hosts, for a site whose guests are logged in to. */
export const clusterPlace = (flake: string): ClusterPlace => ({
  hosts: HOSTS.map(siteHost),
  flake: `path:${flake}`,
  operatorKey: operatorKey.publicKey,
});

/** The expected facts of one VM on its host. */
export interface Vm {
  host: string;
  name: string;
  runner: string;
  image: string;
  imageBytes: number;
}

const vmInputs = z.object({ host: z.string(), name: z.string(), runner: z.string() });
const volumeInputs = z.object({ vm: z.string(), image: z.string(), sizeMiB: z.number() });

export class Ours {
  readonly stack: Stack;

  private constructor(private readonly realNix: string) {
    this.stack = new Stack(checkout, this.environment());
  }

  static async make(): Promise<Ours> {
    const which = ["sh", "-c", "command -v nix"];
    return new Ours((await run(which, { env: labEnvironment() })).trim());
  }

  /** Grows or shrinks the stack to `count` stopped VMs. Their evaluation is cached from then on. */
  async converge(count: number): Promise<void> {
    rmSync(cache, { recursive: true, force: true });
    await this.run(benchSite(count, HOSTS.map(siteHost), `path:${join(labSource, "flake")}`));
  }

  /** The seconds of an `up` of this site, with more options. */
  async run(site: string, ...options: string[]): Promise<number> {
    mkdirSync(directory, { recursive: true });
    writeFileSync(siteFile, site);
    await this.stack.ensure({ "pulumi-microvm:site": siteFile });
    return this.stack.converge(...options);
  }

  /** The seconds of the evaluation alone, with the arguments that the program used. */
  evaluate(): Promise<number> {
    const words = readFileSync(evaluation, "utf8").trimEnd().split("\n");
    const options = { env: labEnvironment(), timeoutSeconds: 600 };
    return seconds(inOperator([this.realNix, ...words]), options);
  }

  async vms(): Promise<Vm[]> {
    const resources = await this.stack.resources();
    const of = (type: string): StateResource[] =>
      resources.filter((resource) => resource.type === `microvm:index:${type}`);
    const volumes = of("Volume").map(({ inputs }) => volumeInputs.parse(inputs));
    return of("MicroVm").map(({ inputs }) => {
      const { host, name, runner } = vmInputs.parse(inputs);
      const volume = volumes.find(({ vm }) => vm === name);
      if (volume === undefined) throw new Error(`${name} has no volume`);
      return { host, name, runner, image: volume.image, imageBytes: volume.sizeMiB * 1024 ** 2 };
    });
  }

  async remove(): Promise<void> {
    await this.stack.destroy();
    await this.stack.forget();
    this.forgetFiles();
  }

  /** Removes the files in the checkout that remain after the lab and its stack were removed. */
  forgetFiles(): void {
    rmSync(join(checkout, "Pulumi.bench.yaml"), { force: true });
    rmSync(join(checkout, ".site", "bench"), { recursive: true, force: true });
    if (existsSync(directory)) rmSync(directory, { recursive: true });
  }

  private environment(): NodeJS.ProcessEnv {
    const environment = labEnvironment();
    return {
      ...environment,
      PATH: [join(checkout, "bench", "nix"), environment["PATH"] ?? ""].join(delimiter),
      BENCH_NIX: this.realNix,
      BENCH_EVALUATION: evaluation,
      XDG_CACHE_HOME: cache,
    };
  }
}
