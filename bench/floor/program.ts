/** The floor's program: as many resources as the real program has, with the given inputs. */
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";

const components = Number(process.env["FLOOR_COMPONENTS"] ?? 0);
/** The inputs of each resource, which bench/floor.ts writes. */
const inputs: unknown = JSON.parse(readFileSync(process.env["FLOOR_INPUTS"] ?? "", "utf8"));
const isInputs = (value: unknown): value is pulumi.Inputs[] => Array.isArray(value);
if (!isInputs(inputs)) throw new Error("FLOOR_INPUTS is not a list");

class Provider extends pulumi.ProviderResource {}
class Group extends pulumi.ComponentResource {}
class Thing extends pulumi.CustomResource {}

const provider = new Provider("floor", "floor");
for (let index = 0; index < components; index++) {
  new Group("floor:index:Group", `group${index}`);
}
for (const [index, properties] of inputs.entries()) {
  new Thing("floor:index:Thing", `thing${index}`, properties, { provider });
}
