/** The floor's program: as many resources as the real program has, without properties. */
import * as pulumi from "@pulumi/pulumi";

/** The number of each kind of resource, which bench/floor.ts sets. */
const count = (variable: string): number => Number(process.env[variable] ?? 0);

class Provider extends pulumi.ProviderResource {}
class Group extends pulumi.ComponentResource {}
class Thing extends pulumi.CustomResource {}

const provider = new Provider("floor", "floor");
for (let index = 0; index < count("FLOOR_COMPONENTS"); index++) {
  new Group("floor:index:Group", `group${index}`);
}
for (let index = 0; index < count("FLOOR_RESOURCES"); index++) {
  new Thing("floor:index:Thing", `thing${index}`, {}, { provider });
}
