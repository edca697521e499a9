/**
 * A machine of the suite: namespaces for network, mounts, host name and processes. It has its own
 * /run and /var/lib. Everything in it ends with its first process, as in a power failure.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { attempt, type CommandResult } from "../../command";
import { waitFor } from "../../progress";
import { isRunning, type ProcessId } from "../../state";
import type { Record } from "../record";

/** The program under test. */
export interface Subject {
  binary: string;
  /** With etcd and the kube-* programs. Empty where the binary contains them. */
  binDirectory: string | undefined;
  environment: Readonly<{ [name: string]: string }>;
}

export interface MachineOptions {
  record: Record;
  subject: Subject;
  name: string;
  address: string;
  namespace: string;
}

const BOOT_SECONDS = 20;
/** `status` of k0s can block for minutes. */
const COMMAND_SECONDS = 60;

/**
 * Marks the end of the boot, and then reaps what has lost its parent, as every first process does.
 * `$1`: the host name, `$2`: the directory of /var/lib.
 */
const FIRST_PROCESS = `
set -eu
hostname "$1"
mount -t tmpfs tmpfs /run
mount --bind "$2" /var/lib
: >/run/booted
while :; do
  sleep 3600 &
  wait $!
done`;

/** \`$0\`: where to put the process id. */
const IN_FOREGROUND = `echo $$ >"$0"; exec "$@"`;
const MAIN_PID = "/run/k0s-main.pid";

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  private first: ProcessId | undefined;
  private exit: Promise<number> | undefined;
  private exitCode: number | undefined;

  constructor(private readonly options: MachineOptions) {
    this.name = options.name;
    this.address = options.address;
    this.directory = join(options.record.directory, options.name);
    mkdirSync(join(this.directory, "lib"), { recursive: true });
  }

  get binary(): string {
    return this.options.subject.binary;
  }

  /** k0s's data directory, seen from outside. */
  get data(): string {
    return join(this.directory, "lib", "k0s");
  }

  get config(): string {
    return join(this.directory, "abc-k0s.yaml");
  }

  get log(): string {
    const file = join(this.directory, "k0s.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  async boot(): Promise<void> {
    const { namespace, record } = this.options;
    const child = spawn(
      "ip",
      [
        ...["netns", "exec", namespace],
        ...["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"],
        ...["sh", "-c", FIRST_PROCESS, "sh", this.name, join(this.directory, "lib")],
      ],
      { detached: true, stdio: "ignore" },
    );
    child.unref();
    if (child.pid === undefined) throw new Error(`${this.name} did not start`);
    this.first = record.process(child.pid);
    await waitFor(`${this.name} to boot`, BOOT_SECONDS, async () => {
      const answer = await this.run(["test", "-e", "/run/booted"]);
      return answer.code === 0 ? undefined : answer.stderr;
    });
  }

  /** As a power failure. */
  async cutPower(): Promise<void> {
    const { first } = this;
    if (first === undefined) return;
    process.kill(first.pid, "SIGKILL");
    await waitFor(`${this.name} to be off`, BOOT_SECONDS, () =>
      Promise.resolve(isRunning(first) ? "its first process is running" : undefined),
    );
    await this.exit;
    this.first = undefined;
  }

  /** Runs a command in the machine. */
  run(command: readonly string[], input = ""): Promise<CommandResult> {
    return attempt([...this.inside(), ...command], {
      env: this.environment(),
      timeoutSeconds: COMMAND_SECONDS,
      input,
    });
  }

  k0s(...words: string[]): Promise<CommandResult> {
    return this.run([this.binary, ...words]);
  }

  /** Starts a controller or worker. It runs until `stop`, or until it ends by itself. */
  start(...words: string[]): void {
    const log = openSync(join(this.directory, "k0s.log"), "a");
    const command = [this.binary, ...words];
    const [program, ...inside] = this.inside();
    const child = spawn(
      program ?? "",
      [...inside, "sh", "-c", IN_FOREGROUND, MAIN_PID, ...command],
      { env: this.environment(), stdio: ["ignore", log, log] },
    );
    closeSync(log);
    this.exitCode = undefined;
    this.exit = new Promise((resolve) => {
      child.on("close", (code) => {
        this.exitCode = code ?? 255;
        resolve(this.exitCode);
      });
    });
  }

  get isRunning(): boolean {
    return this.exit !== undefined && this.exitCode === undefined;
  }

  /** Waits until k0s ends by itself, and returns its exit code. */
  async ended(seconds: number): Promise<number> {
    await waitFor(`k0s of ${this.name} to end`, seconds, () =>
      Promise.resolve(this.isRunning ? "it is running" : undefined),
    );
    return this.exitCode ?? 255;
  }

  /** As systemd stops a unit: SIGTERM to the main process. Returns its exit code. */
  async stop(seconds: number): Promise<number> {
    await this.run(["sh", "-c", `kill -TERM "$(cat ${MAIN_PID})"`]);
    return this.ended(seconds);
  }

  /** SIGKILL to the main process alone. */
  async kill(): Promise<void> {
    await this.run(["sh", "-c", `kill -KILL "$(cat ${MAIN_PID})"`]);
    await this.exit;
  }

  /** Names of the running programs. */
  async programs(): Promise<string[]> {
    const answer = await this.run(["ps", "-eo", "comm="]);
    return answer.stdout.split("\n").map((line) => line.trim());
  }

  wipe(): void {
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Writes a file that k0s reads, and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  private inside(): string[] {
    // The parent of the PID namespace's first process is outside of it.
    const pid = this.first === undefined ? 0 : innerProcess(this.first.pid);
    return ["nsenter", "-t", String(pid), "--net", "--mount", "--uts", "--pid", "--"];
  }

  private environment(): NodeJS.ProcessEnv {
    const { binDirectory, environment } = this.options.subject;
    const path = process.env["PATH"] ?? "";
    return {
      PATH: binDirectory === undefined ? path : `${binDirectory}${delimiter}${path}`,
      HOME: "/root",
      ...environment,
    };
  }
}

/** `unshare --fork` waits for the process that is the first one inside. */
function innerProcess(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return Number(children[0] ?? "0");
}
