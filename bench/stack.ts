/** A stack of the bench: the same commands for ours and for the floor. */
import { hrtime } from "node:process";
import { z } from "zod";
import { CommandError, attempt, failure, run } from "../lab/command";
import { inOperator } from "../lab/network";

const TIMEOUT_SECONDS = 3600;
const QUIET = ["--yes", "--skip-preview", "--non-interactive", "--color=never"];

const exportSchema = z.object({
  deployment: z.object({
    resources: z.array(
      z.looseObject({
        urn: z.string(),
        type: z.string(),
        custom: z.boolean().optional(),
        inputs: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
  }),
});
export type StateResource = z.infer<typeof exportSchema>["deployment"]["resources"][number];

export class Stack {
  constructor(
    private readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly name = "bench",
  ) {}

  /** Creates the stack unless it exists. The selected stack does not change. */
  async ensure(config: Record<string, string>): Promise<void> {
    if (!(await this.exists())) {
      await run(this.command("stack", "init", "--no-select", this.name), this.options());
    }
    for (const [key, value] of Object.entries(config)) {
      await this.pulumi("config", "set", key, value);
    }
  }

  async exists(): Promise<boolean> {
    const answer = await attempt(this.onStack("stack", "export"), this.options());
    return answer.code === 0;
  }

  /** The seconds of an `up` with changes. */
  converge(...more: string[]): Promise<number> {
    return this.timed("up", ...QUIET, ...more);
  }

  /** The seconds of an `up` that reads everything and has no changes. */
  up(): Promise<number> {
    return this.timed("up", ...QUIET, "--refresh", "--expect-no-changes");
  }

  preview(): Promise<number> {
    const flags = QUIET.filter((word) => word !== "--yes" && word !== "--skip-preview");
    return this.timed("preview", ...flags, "--refresh", "--expect-no-changes");
  }

  async resources(): Promise<StateResource[]> {
    const text = await this.pulumi("stack", "export");
    return exportSchema.parse(JSON.parse(text)).deployment.resources;
  }

  /** Adds resources to the state, as if an `up` had created them. */
  async adopt(more: readonly StateResource[]): Promise<void> {
    const state = z
      .looseObject({ deployment: z.looseObject({ resources: z.array(z.unknown()) }) })
      .parse(JSON.parse(await this.pulumi("stack", "export")));
    state.deployment.resources.push(...more);
    const input = JSON.stringify(state);
    await run(this.onStack("stack", "import"), { ...this.options(), input });
  }

  async destroy(): Promise<void> {
    await this.pulumi("destroy", ...QUIET);
  }

  /** Removes the stack from the backend with all resources, and its settings file. */
  async forget(): Promise<void> {
    await attempt(this.onStack("stack", "rm", "--yes", "--force"), this.options());
  }

  private pulumi(...words: string[]): Promise<string> {
    return run(this.onStack(...words), this.options());
  }

  private timed(...words: string[]): Promise<number> {
    return seconds(this.onStack(...words), this.options());
  }

  private onStack(...words: string[]): string[] {
    return this.command(...words, "--stack", this.name);
  }

  private command(...words: string[]): string[] {
    return inOperator(["pulumi", ...words]);
  }

  private options(): { cwd: string; env: NodeJS.ProcessEnv; timeoutSeconds: number } {
    return { cwd: this.directory, env: this.env, timeoutSeconds: TIMEOUT_SECONDS };
  }
}

/** The wall-clock seconds of a command. Throws if it fails. */
export async function seconds(
  command: readonly string[],
  options: { cwd?: string; env: NodeJS.ProcessEnv; timeoutSeconds: number },
): Promise<number> {
  const start = hrtime.bigint();
  const result = await attempt(command, options);
  const elapsed = Number(hrtime.bigint() - start) / 1e9;
  if (result.code !== 0) throw new CommandError(failure(command, result));
  return elapsed;
}
