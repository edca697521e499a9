/**
 * The lab for the scenarios: the real engine in the operator's namespace, and the hosts and guests
 * over SSH. Each scenario edits a copy of stacks/lab.yaml.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isMap, parseDocument, type Document } from "yaml";
import { z } from "zod";

export const PROJECT = resolve(__dirname, "..", "..");
const CLI = join(PROJECT, "bin", "lab", "cli.js");
const COMMAND_TIMEOUT_MS = 300_000;
const A_DAY_MS = 86_400_000;

/** The lab's stack. tests/lab/setup.ts chooses the lab. */
export const STACK_NAME = process.env["PULUMI_MICROVM_LAB_STACK"] ?? "lab";
export const STACK = `--stack=${STACK_NAME}`;

export interface Ended {
  code: number;
  stdout: string;
  /** stdout and stderr. */
  text: string;
}

/** Runs a lab command to its end. A command that hangs fails the test. */
export function lab(args: string[], input = ""): Promise<Ended> {
  return start(args, input).ended;
}

export interface Started {
  ended: Promise<Ended>;
  pid: number;
  /** Resolves when the command has printed this. Rejects if the command ends first. */
  printed: (what: RegExp) => Promise<void>;
  /** What the command has printed until now. */
  text: () => string;
}

/** Starts a lab command. `limitMs`: 0 for one that runs until the test ends it. */
export function start(args: string[], input = "", limitMs = COMMAND_TIMEOUT_MS): Started {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: PROJECT,
    // A test may change Jest's copy of the environment. The default is that of the process.
    env: process.env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  let text = "";
  const ended = new Promise<Ended>((done, fail) => {
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      text += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const timer = setTimeout(
      () => {
        child.kill("SIGKILL");
        fail(new Error(`lab ${args.join(" ")} did not end:\n${text.slice(-4000)}`));
      },
      limitMs === 0 ? A_DAY_MS : limitMs,
    );
    child.on("error", fail);
    child.on("close", (code) => {
      clearTimeout(timer);
      done({ code: code ?? -1, stdout, text });
    });
  });
  const printed = (what: RegExp): Promise<void> =>
    new Promise((seen, fail) => {
      const look = (): void => {
        if (what.test(text)) seen();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("close", () => fail(new Error(`ended without printing ${String(what)}:\n${text}`)));
      look();
    });
  return { ended, pid: child.pid ?? 0, printed, text: () => text };
}

/** Runs a shell command on a host or guest. Any exit code except 0 fails the test. */
export async function on(machine: string, command: string): Promise<string> {
  const { code, stdout, text } = await lab(["ssh", machine, command]);
  if (code !== 0) throw new Error(`${machine}: ${command}: exit ${code}:\n${text}`);
  return stdout.trimEnd();
}

/** Waits for a condition. */
export async function until<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((wake) => setTimeout(wake, 250));
  }
  throw new Error(`timed out after ${seconds} s waiting for ${what}; last: ${String(last)}`);
}

export async function pulumi(...args: string[]): Promise<Ended> {
  return lab(["exec", "pulumi", ...args, "--non-interactive", "--color=never"]);
}

/** `pulumi up` that must succeed. */
export async function up(...args: string[]): Promise<string> {
  const { code, text } = await pulumi("up", "--yes", "--skip-preview", STACK, ...args);
  if (code !== 0) throw new Error(`pulumi up failed:\n${text}`);
  return text;
}

/** `pulumi up` that must fail. Returns its output. */
export async function failingUp(...args: string[]): Promise<string> {
  const { code, text } = await pulumi("up", "--yes", "--skip-preview", STACK, ...args);
  if (code === 0) throw new Error(`pulumi up succeeded:\n${text}`);
  return text;
}

/** Destroys the lab's stack, so that another stack can use the hosts. The volumes stay. */
export async function releaseHosts(): Promise<void> {
  await pulumi("stack", "select", "--create", STACK);
  await pulumi("cancel", "--yes", STACK);
  const { code, text } = await pulumi("destroy", "--yes", "--skip-preview", STACK);
  if (code !== 0) throw new Error(text);
}

/** Removes all volumes of destroyed stacks from the hosts, so that other stacks can have theirs. */
export async function removeVolumes(): Promise<void> {
  for (const host of ["hv1", "hv2"]) {
    await on(host, "rm -rf /var/lib/microvms/* /var/lib/pulumi-microvm/volumes/*");
  }
}

const previewSchema = z.object({
  steps: z
    .array(
      z.looseObject({
        op: z.string(),
        urn: z.string(),
        detailedDiff: z.record(z.string(), z.unknown()).nullish(),
      }),
    )
    .default([]),
});

/** The planned changes of a preview: `MicroVm kw1` -> op and changed properties. */
export async function preview(
  ...args: string[]
): Promise<Record<string, { op: string; diff: string[] }>> {
  const { code, stdout, text } = await pulumi("preview", "--json", STACK, ...args);
  if (code !== 0) throw new Error(`pulumi preview failed:\n${text}`);
  const { steps } = previewSchema.parse(JSON.parse(stdout.slice(stdout.indexOf("{"))));
  const changes = steps
    .filter(({ op }) => op !== "same" && op !== "refresh" && op !== "read")
    .map(({ op, urn, detailedDiff }): [string, { op: string; diff: string[] }] => [
      shortName(urn),
      { op, diff: Object.keys(detailedDiff ?? {}).sort() },
    ]);
  return Object.fromEntries(changes);
}

/** `MicroVm kw1` for a URN. Types of other packages keep their full name. */
export function shortName(urn: string): string {
  const [, , path = "", name = ""] = urn.split("::");
  const type = path.split("$").pop() ?? "";
  return `${type.replace(/^microvm:index:/, "")} ${name}`;
}

/** Expects that a preview has no changes. */
export async function expectNoChanges(): Promise<void> {
  const { code, text } = await pulumi("preview", "--expect-no-changes", "--diff", STACK);
  if (code !== 0) throw new Error(`there are changes:\n${text}`);
}

const stateSchema = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.looseObject({
          urn: z.string(),
          id: z.string().optional(),
          outputs: z.record(z.string(), z.unknown()).optional(),
        }),
      )
      .default([]),
  }),
});
export type StateResource = z.infer<typeof stateSchema>["deployment"]["resources"][number];

/** The state: `MicroVm kw1` -> resource. */
export async function state(): Promise<Map<string, StateResource>> {
  const { stdout } = await pulumi("stack", "export", STACK);
  const { deployment } = stateSchema.parse(JSON.parse(stdout));
  return new Map(deployment.resources.map((resource) => [shortName(resource.urn), resource]));
}

/** The kernel's id of the guest's current boot. */
export function bootId(guest: string): Promise<string> {
  return on(guest, "cat /proc/sys/kernel/random/boot_id");
}

/** The current end of a host's journal. -m finds it also after a change of the machine-id. */
export async function journalEnd(host: string): Promise<string> {
  const end = await on(
    host,
    "journalctl --sync; journalctl -q -m -n 1 -o export | grep -a ^__CURSOR=",
  );
  return end.replace("__CURSOR=", "");
}

const entrySchema = z.looseObject({ MESSAGE: z.unknown() });

/**
 * The messages in a host's journal after `journalEnd` whose `field` is `value`. Filters here,
 * because a filter of journalctl would drop the first message after the cursor.
 */
export async function journalAfter(
  host: string,
  end: string,
  field: "SYSLOG_IDENTIFIER" | "_SYSTEMD_UNIT",
  value: string,
): Promise<string[]> {
  const fields = "MESSAGE,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT";
  const text = await on(
    host,
    `journalctl --sync; journalctl -q -m -o json --output-fields=${fields} --after-cursor='${end}'`,
  );
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => entrySchema.parse(JSON.parse(line)))
    .filter((entry) => entry[field] === value)
    .flatMap(({ MESSAGE }) => (typeof MESSAGE === "string" ? [MESSAGE] : []));
}

/** The provider's mutations on a host after `journalEnd`, from the host's journal. */
export async function mutations(host: string, end: string): Promise<string[]> {
  const lines = await journalAfter(host, end, "SYSLOG_IDENTIFIER", "pulumi-microvm");
  return lines.map((line) => line.replace(/^[0-9a-f-]{36}: /, ""));
}

/**
 * A copy of the lab's flake. Its systems equal those of the lab's flake until a test changes it.
 */
export class FlakeCopy {
  private readonly directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-flake-"));
  readonly reference = `path:${this.directory}`;

  constructor() {
    this.reset();
  }

  reset(): void {
    cpSync(join(PROJECT, "lab", "flake"), this.directory, { recursive: true });
  }

  /** Inserts text into a file after the first occurrence of `after`. */
  insert(file: string, after: string, text: string): void {
    const path = join(this.directory, file);
    const before = readFileSync(path, "utf8");
    if (!before.includes(after)) throw new Error(`${file} has no ${after}`);
    writeFileSync(
      path,
      before.replace(after, (found) => found + text),
    );
  }

  /** Changes every runner. The build of each runner runs `script`. */
  changeRunners(script = ""): void {
    this.insert("scripts/build-runner.sh", "set -eu\n", `# ${Date.now()}\n${script}\n`);
  }

  /** Packages of every system, with versions. */
  setPackages(packages: Record<string, string>): void {
    this.write("packages.json", `${JSON.stringify(packages)}\n`);
  }

  /** Machine -> shell commands that run first in the activation of its new system. */
  setFaults(faults: Record<string, string>): void {
    this.write("faults.json", `${JSON.stringify(faults)}\n`);
  }

  /** Replaces a file. */
  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * The lab's site, with a volume for data, not for all of /var. Without `withCluster` its VMs are no
 * members of a cluster: founding one takes its time, and the restarts of a member have rules of
 * their own.
 */
export function labSite(withCluster = false): Document {
  const document = parseDocument(readFileSync(join(PROJECT, "stacks", "lab.yaml"), "utf8"));
  for (const name of keysIn(document, "profiles")) {
    document.setIn(["profiles", name, "volumes", "var", "mountPoint"], "/var/lib/data");
  }
  if (withCluster) return document;
  document.delete("cluster");
  for (const name of keysIn(document, "vms")) document.deleteIn(["vms", name, "role"]);
  return document;
}

function keysIn(document: Document, key: string): string[] {
  const map = document.get(key);
  return isMap(map) ? map.items.map((item) => String(item.key)) : [];
}

/** A copy of the lab's site: see `labSite`. `set` replaces the values at paths. */
export class SiteCopy {
  private readonly directory = mkdtempSync(join(tmpdir(), "pulumi-microvm-test-"));
  readonly file = join(this.directory, "lab.yaml");

  constructor(private readonly withCluster = false) {}

  /** Points the stack at the copy, without changes. */
  async use(): Promise<void> {
    await this.reset();
    await pulumi("stack", "select", "--create", STACK);
    // An interrupted scenario may have left the lock of the stack.
    await pulumi("cancel", "--yes", STACK);
    const { code, text } = await pulumi("config", "set", "site", this.file, STACK);
    if (code !== 0) throw new Error(text);
  }

  /** Points the stack at the copy with these changes, and converges the lab to it. */
  async converge(changes: Record<string, unknown> = {}): Promise<void> {
    await this.use();
    await this.set(changes);
    await up();
  }

  async reset(): Promise<void> {
    await this.set({});
  }

  /**
   * Writes the lab's own site with these changes: `{"vms.kw1.running": false}`; undefined removes.
   */
  set(changes: Record<string, unknown>): Promise<void> {
    const document = labSite(this.withCluster);
    document.set("flake", `path:${join(PROJECT, "lab", "flake")}`);
    for (const [path, value] of Object.entries(changes)) {
      if (value === undefined) document.deleteIn(path.split("."));
      else document.setIn(path.split("."), document.createNode(value));
    }
    writeFileSync(this.file, document.toString());
    return Promise.resolve();
  }

  /** A value of the lab's own site. */
  get(path: string): unknown {
    let value: unknown = labSite(this.withCluster).toJS();
    for (const key of path.split(".")) {
      value = z.record(z.string(), z.unknown()).parse(value)[key];
    }
    return value;
  }

  /** Converges the lab to its own site again, for the next scenario. */
  async restore(): Promise<void> {
    await this.reset();
    await up();
    await expectNoChanges();
    await this.release();
  }

  /** The lab's own site again: the default of stack lab, but of no other lab's stack. */
  async release(): Promise<void> {
    const isDefault = STACK_NAME === "lab";
    const own = isDefault ? ["rm", "site"] : ["set", "site", join("stacks", "lab.yaml")];
    await pulumi("config", ...own, STACK);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
