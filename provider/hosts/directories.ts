/** Which directories a hypervisor has. VMs that start in the same pass ask with one run. */
import type { Hypervisor } from "./host";
import type { Call } from "./operations/operation";
import { Shared } from "./wait/shared";
import { Wait, pause } from "./wait/wait";

/** The engine sends the calls of a pass one by one. A run takes those of this time together. */
const GATHER_MS = 50;
const LOOK_SECONDS = 120;

interface Round {
  paths: Set<string>;
  missing: Shared<Set<string>>;
}

export class Directories {
  /** The round that still takes paths. */
  private open: Round | undefined;
  /** The end of the latest run: there is at most one at a time. */
  private latest: Promise<unknown> = Promise.resolve();
  /** What was there once in this pass is not asked for again. */
  private readonly found = new Set<string>();

  constructor(private readonly host: Pick<Hypervisor, "name" | "ask">) {}

  /** Those of the paths that are no directories, in the same order. */
  async missing(call: Call, paths: readonly string[]): Promise<string[]> {
    const unknown = paths.filter((path) => !this.found.has(path));
    if (unknown.length === 0) return [];
    const round = (this.open ??= this.begin(call));
    for (const path of unknown) round.paths.add(path);
    const missing = await round.missing.join(new Wait(this.host.name, call));
    return unknown.filter((path) => missing.has(path));
  }

  private begin({ urn, status }: Call): Round {
    const paths = new Set<string>();
    const look = async ({ signal }: Wait): Promise<Set<string>> => {
      await Promise.all([pause(GATHER_MS, signal), this.latest]);
      this.open = undefined;
      const deadline = Date.now() + LOOK_SECONDS * 1000;
      const asked = this.host.ask({ urn, status, deadline, signal }, "directories", {
        paths: [...paths].join(" "),
      });
      this.latest = asked.catch(() => undefined);
      const missing = new Set(await asked);
      for (const path of paths) if (!missing.has(path)) this.found.add(path);
      return missing;
    };
    return { paths, missing: new Shared(this.host.name, 2 * LOOK_SECONDS * 1000, look) };
  }
}
