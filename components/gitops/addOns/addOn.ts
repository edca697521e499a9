/** What the add-ons of a cluster have in common: Helm releases that are installed in order. */
import type { SeedName, SeedRelease } from "../../../contract/gitops";
import * as pulumi from "../../pulumi";
import { Seed } from "../resources";
import type { SeedGate } from "../resources";
import { unlocated } from "../../sdkDiagnostics";
import { isMap, merged, sortedJson } from "../tree/json";
import type { JsonMap } from "../tree/json";

/** A seed of the site, with the releases that the program has read. */
export interface SeedSpec {
  name: SeedName;
  releases: { release: SeedRelease; isSecret: boolean }[];
  /** Until it is ready, from its installation. */
  timeoutSeconds: number;
}

export interface AddOnArgs {
  /** Name of the cluster. */
  cluster: string;
  seed: SeedSpec;
  /** What must be so after the last release, beside ready workloads. */
  gate?: SeedGate;
  /**
   * Values for releases that no HelmRelease takes over. Those of the site override them. Others are
   * installed with the values that Flux would use.
   */
  defaults?: Values;
  owner?: "flux" | "pulumi";
  after: pulumi.Input<pulumi.Input<pulumi.Resource>[]>;
}

export type Values = JsonMap;

export class AddOn extends pulumi.ComponentResource {
  /** Ready when the add-on is. */
  readonly last: Seed | undefined;

  constructor(type: string, args: AddOnArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, seed, gate, defaults = {}, owner = "flux", after } = args;
    super(`pulumi-microvm:components:${type}`, seed.name, unlocated({}), opts);
    let before: Seed | undefined;
    seed.releases.forEach(({ release, isSecret }, index) => {
      const isLast = index === seed.releases.length - 1;
      const values =
        release.adopter === undefined ? withDefaults(defaults, release) : release.values;
      before = new Seed(
        `${seed.name}-${release.releaseName}`,
        {
          ...release,
          cluster,
          owner,
          values: isSecret ? pulumi.secret(values) : values,
          ...(isLast && gate !== undefined && { gate }),
          timeoutSeconds: seed.timeoutSeconds,
        },
        { parent: this, dependsOn: before ?? after },
      );
    });
    this.last = before;
    this.registerOutputs();
  }

  get ready(): pulumi.Resource[] {
    return this.last === undefined ? [] : [this.last];
  }
}

/** The values of the site override the defaults. */
function withDefaults(defaults: JsonMap, { values }: SeedRelease): string {
  const stated: unknown = JSON.parse(values);
  return sortedJson(isMap(stated) ? merged(defaults, stated) : defaults);
}
