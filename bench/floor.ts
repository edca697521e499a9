/**
 * The floor: a stack with as many resources, whose program and provider do nothing. Optionally with
 * the inputs of our resources: what the engine and the SDK cost without our own work.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labEnvironment } from "../lab/environment";
import { checkout, stateDirectory } from "../lab/paths";
import { Stack, type StateResource } from "./stack";

const directory = join(checkout, "bench", "floor");

export class Floor {
  private readonly env = labEnvironment();
  readonly stack: Stack;

  constructor(private readonly withInputs = false) {
    this.stack = new Stack(directory, this.env, withInputs ? "inputs" : "bench");
  }

  /** Has as many components and resources as `model`. A stack and a provider always exist. */
  async converge(model: readonly StateResource[]): Promise<void> {
    const own = model.filter(({ type }) => !type.startsWith("pulumi:"));
    const resources = own.filter(({ custom }) => custom === true);
    const inputs = resources.map((resource) => (this.withInputs ? (resource.inputs ?? {}) : {}));
    const file = join(stateDirectory, `floor-${this.withInputs ? "inputs" : "bench"}.json`);
    writeFileSync(file, JSON.stringify(inputs));
    this.env["FLOOR_INPUTS"] = file;
    this.env["FLOOR_COMPONENTS"] = String(own.length - resources.length);
    await this.stack.ensure({});
    await this.stack.converge();
  }

  async remove(): Promise<void> {
    await this.stack.forget();
    this.forgetFiles();
  }

  forgetFiles(): void {
    for (const stack of ["bench", "inputs"]) {
      rmSync(join(directory, `Pulumi.${stack}.yaml`), { force: true });
    }
  }
}
