/** What the add-ons of a cluster have in common: Helm releases that are installed in order. */
import type { SeedName, SeedRelease } from "../../../contract/gitops";
import * as pulumi from "../../pulumi";
import { Seed } from "../../resources";
import type { SeedGate } from "../../resources";
import { unlocated } from "../../sdkDiagnostics";

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

export type Values = Readonly<Record<string, unknown>>;

export class AddOn extends pulumi.ComponentResource {
  /** Ready when the add-on is. */
  readonly last: Seed | undefined;

  constructor(type: string, args: AddOnArgs, opts?: pulumi.ComponentResourceOptions) {
    const { cluster, seed, gate, defaults = {}, owner = "flux", after } = args;
    super(`pulumi-microvm:components:${type}`, seed.name, unlocated({}), opts);
    let before: Seed | undefined;
    seed.releases.forEach(({ release, isSecret }, index) => {
      const isLast = index === seed.releases.length - 1;
      const values = release.adopter === undefined ? merged(defaults, release) : release.values;
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

function merged(defaults: Values, { values }: SeedRelease): string {
  const stated: unknown = JSON.parse(values);
  return JSON.stringify(sorted(isValues(stated) ? overridden(defaults, stated) : defaults));
}

/** Maps are merged, and everything else is replaced, as Helm does it. */
export function overridden(below: Values, above: Values): Values {
  const entries = Object.entries(above).map(([key, value]): [string, unknown] => {
    const base = below[key];
    return [key, isValues(base) && isValues(value) ? overridden(base, value) : value];
  });
  return { ...below, ...Object.fromEntries(entries) };
}

function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Equal values are equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isValues(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
