/** The floor: a stack with as many resources, whose program and provider do nothing. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { labEnvironment } from "../lab/environment";
import { checkout } from "../lab/paths";
import { Stack, type StateResource } from "./stack";

const directory = join(checkout, "bench", "floor");

export class Floor {
  private readonly env = labEnvironment();
  readonly stack = new Stack(directory, this.env);

  /** Has as many components and resources as `model`. A stack and a provider always exist. */
  async converge(model: readonly StateResource[]): Promise<void> {
    const own = model.filter(({ type }) => !type.startsWith("pulumi:"));
    const resources = own.filter(({ custom }) => custom === true).length;
    this.env["FLOOR_RESOURCES"] = String(resources);
    this.env["FLOOR_COMPONENTS"] = String(own.length - resources);
    await this.stack.ensure({});
    await this.stack.converge();
  }

  async remove(): Promise<void> {
    await this.stack.forget();
    this.forgetFiles();
  }

  forgetFiles(): void {
    rmSync(join(directory, "Pulumi.bench.yaml"), { force: true });
  }
}
