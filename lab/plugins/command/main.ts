/**
 * Stand-in for the official plugin `command` 1.2.1 where that cannot be downloaded. Never used
 * outside the lab. It has `command:local:run` and `command:local:Command` with the official inputs,
 * outputs and errors: stdout and stderr without their last newline, PULUMI_COMMAND_STDOUT and
 * PULUMI_COMMAND_STDERR of the previous run, replacement when `triggers` change, secret outputs
 * when an input is secret. Left out: assets and archives (rejected), `logging` (output is captured,
 * but not shown while the command runs), remote commands, cancellation, Windows.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import * as provider from "@pulumi/pulumi/provider";
import { z } from "zod";

/** The mark of a secret in properties (Pulumi's resource property signatures). */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

const properties = z.record(z.string(), z.unknown());
type Properties = z.infer<typeof properties>;

const common = z.object({
  stdin: z.string().optional(),
  interpreter: z.array(z.string()).optional(),
  dir: z.string().optional(),
  environment: z.record(z.string(), z.string()).optional(),
  addPreviousOutputInEnv: z.boolean().optional(),
  assetPaths: z.undefined({ error: "the lab's stand-in has no assetPaths" }).optional(),
  archivePaths: z.undefined({ error: "the lab's stand-in has no archivePaths" }).optional(),
  /** Of the previous run. */
  stdout: z.string().optional(),
  stderr: z.string().optional(),
});
type Common = z.infer<typeof common>;

const runInputs = common.extend({ command: z.string() });
const commandInputs = common.extend({
  create: z.string().optional(),
  update: z.string().optional(),
  delete: z.string().optional(),
});

class CommandProvider implements provider.Provider {
  readonly version = "1.2.1";
  readonly schema = JSON.stringify({ name: "command", version: this.version });

  async invoke(token: string, inputs: unknown): Promise<provider.InvokeResult> {
    if (token !== "command:local:run") throw new Error(`the lab's stand-in has no ${token}`);
    const given = properties.parse(inputs);
    const wanted = runInputs.parse(revealed(given));
    return { outputs: await withOutput(given, wanted.command, wanted) };
  }

  diff(_id: string, _urn: string, olds: unknown, news: unknown): Promise<provider.DiffResult> {
    const before = withoutOutput(properties.parse(olds));
    const after = properties.parse(news);
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    const changed = [...names].filter((name) => !isDeepStrictEqual(before[name], after[name]));
    return Promise.resolve({
      changes: changed.length > 0,
      replaces: changed.filter((name) => name === "triggers"),
    });
  }

  async create(urn: string, inputs: unknown): Promise<provider.CreateResult> {
    if (!urn.includes("::command:local:Command::")) {
      throw new Error(`the lab's stand-in has no ${urn.split("::")[2] ?? urn}`);
    }
    const given = properties.parse(inputs);
    const wanted = commandInputs.parse(revealed(given));
    const name = urn.split("::").at(-1) ?? "";
    const id = `${name}${randomBytes(4).toString("hex")}`;
    return { id, outs: await withOutput(given, wanted.create, wanted) };
  }

  async update(
    _id: string,
    _urn: string,
    olds: unknown,
    news: unknown,
  ): Promise<provider.UpdateResult> {
    const given = properties.parse(news);
    const wanted = commandInputs.parse(
      revealed({ ...onlyOutput(properties.parse(olds)), ...given }),
    );
    const outs = await withOutput(given, wanted.update ?? wanted.create, wanted);
    return { outs };
  }

  async delete(_id: string, _urn: string, state: unknown): Promise<void> {
    const wanted = commandInputs.parse(revealed(properties.parse(state)));
    if (wanted.delete !== undefined) await execute(wanted.delete, wanted);
  }
}

/** The inputs and the command's output. Without a command: the output of the previous run. */
async function withOutput(
  given: Properties,
  command: string | undefined,
  options: Common,
): Promise<Properties> {
  const { stdout = "", stderr = "" } =
    command === undefined ? options : await execute(command, options);
  const output = { stdout, stderr };
  if (!hasSecret(given)) return { ...given, ...output };
  const secret = (value: string): Properties => ({ [SIGNATURE]: SECRET, value });
  return { ...given, stdout: secret(stdout), stderr: secret(stderr) };
}

function execute(command: string, options: Common): Promise<{ stdout: string; stderr: string }> {
  const [program = "/bin/sh", ...args] = options.interpreter ?? ["/bin/sh", "-c"];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, command], {
      cwd: options.dir,
      env: { ...process.env, ...options.environment, ...previousOutput(options) },
    });
    const text = { stdout: "", stderr: "", both: "" };
    const keep = (name: "stdout" | "stderr") => (chunk: string) => {
      text[name] += chunk;
      text.both += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", keep("stdout"));
    child.stderr.setEncoding("utf8").on("data", keep("stderr"));
    const fail = (cause: string): void =>
      reject(new Error(`${cause}: running ${JSON.stringify(command)}:\n${text.both}`));
    child.on("error", (error) => fail(error.message));
    child.on("close", (code, signal) => {
      if (code !== 0) fail(code === null ? `signal: ${signal ?? "?"}` : `exit status ${code}`);
      else resolve({ stdout: withoutLineEnd(text.stdout), stderr: withoutLineEnd(text.stderr) });
    });
    // A command that does not read its input may exit before all of it is written.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin ?? "");
  });
}

function previousOutput(options: Common): Record<string, string> {
  if (options.addPreviousOutputInEnv === false) return {};
  const { stdout = "", stderr = "" } = options;
  return {
    ...(stdout === "" ? {} : { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr === "" ? {} : { PULUMI_COMMAND_STDERR: stderr }),
  };
}

const withoutLineEnd = (text: string): string => text.replace(/\n$/, "");

function withoutOutput(state: Properties): Properties {
  return Object.fromEntries(
    Object.entries(state).filter(([name]) => name !== "stdout" && name !== "stderr"),
  );
}

function onlyOutput(state: Properties): Properties {
  return { stdout: state["stdout"], stderr: state["stderr"] };
}

/** The value without its secret markers. */
function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  const parsed = properties.safeParse(value);
  if (!parsed.success) return value;
  if (parsed.data[SIGNATURE] === SECRET) return revealed(parsed.data["value"]);
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, inner]) => [name, revealed(inner)]),
  );
}

function hasSecret(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasSecret);
  const parsed = properties.safeParse(value);
  if (!parsed.success) return false;
  return parsed.data[SIGNATURE] === SECRET || Object.values(parsed.data).some(hasSecret);
}

void provider.main(new CommandProvider(), process.argv.slice(2));
