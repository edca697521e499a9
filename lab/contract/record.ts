/**
 * Keeps what a run of a contract suite has made on this machine. Each thing is recorded before it
 * is made, so the next run can remove what a killed run has left.
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { attempt } from "../command";
import { waitFor } from "../progress";
import { isRunning, processId, startTimeOf, type ProcessId } from "../state";

const PARENT = "/var/tmp";
const PREFIX = "pulumi-microvm-contract-";
const GONE_SECONDS = 20;

const schema = z.object({
  owner: processId,
  namespaces: z.array(z.string()),
  processes: z.array(processId),
});

export class Record {
  private constructor(
    readonly directory: string,
    private readonly content: z.infer<typeof schema>,
  ) {}

  static create(): Record {
    const directory = mkdtempSync(join(PARENT, PREFIX));
    const record = new Record(directory, {
      owner: identify(process.pid),
      namespaces: [],
      processes: [],
    });
    record.save();
    return record;
  }

  /** Removes what runs have left that no longer exist. */
  static async sweep(): Promise<void> {
    for (const name of readdirSync(PARENT).filter((entry) => entry.startsWith(PREFIX))) {
      const file = join(PARENT, name, "record.json");
      if (!existsSync(file)) continue;
      const content = schema.parse(JSON.parse(readFileSync(file, "utf8")));
      if (!isRunning(content.owner)) await new Record(join(PARENT, name), content).remove(false);
    }
  }

  /** Short enough for the name of a network link. */
  get id(): string {
    return this.directory.slice(-6);
  }

  namespace(name: string): void {
    this.content.namespaces.push(name);
    this.save();
  }

  process(pid: number): ProcessId {
    const id = identify(pid);
    this.content.processes.push(id);
    this.save();
    return id;
  }

  /** The processes are those of whole PID namespaces: all below them end with them. */
  async remove(keepFiles: boolean): Promise<void> {
    for (const id of this.content.processes) {
      if (isRunning(id)) process.kill(id.pid, "SIGKILL");
      await waitFor(`process ${id.pid} to end`, GONE_SECONDS, () =>
        Promise.resolve(isRunning(id) ? "it is still running" : undefined),
      );
    }
    for (const name of this.content.namespaces) await attempt(["ip", "netns", "delete", name]);
    if (keepFiles) rmSync(join(this.directory, "record.json"));
    else rmSync(this.directory, { recursive: true, force: true });
  }

  private save(): void {
    const file = join(this.directory, "record.json");
    writeFileSync(`${file}.new`, `${JSON.stringify(this.content, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  }
}

function identify(pid: number): ProcessId {
  const startTime = startTimeOf(pid);
  if (startTime === undefined) throw new Error(`process ${pid} did not start`);
  return { pid, startTime };
}
