/**
 * A stack as the engine drives it: programs, a state, passes. Runs the real resources in process.
 */
import { HostPool } from "../../provider/hosts/pool";
import { parseConfig } from "../../provider/configuration";
import { InitFailed } from "../../provider/errors";
import { silentLog } from "../../provider/log";
import type { BoundResource, Context } from "../../provider/resource";
import { RESOURCES } from "../../provider/resources";
import type { ValueMap } from "../../provider/wire";

/** `TYPE NAME` -> inputs, in dependency order. */
export type Program = Record<string, ValueMap>;

interface Recorded {
  id: string;
  inputs: ValueMap;
  outputs: ValueMap;
  /** Something exists but differs, so the next `up` calls Update. */
  failed: boolean;
}

export class Stack {
  readonly state = new Map<string, Recorded>();

  constructor(
    private readonly name: string,
    private readonly config: () => ValueMap,
  ) {}

  /** `up`: refresh, updates, deletions. Stops at the first error. */
  async up(program: Program, { forget = false } = {}): Promise<void> {
    await this.pass(async (pool) => {
      await this.refreshed(pool);
      for (const [key, stated] of Object.entries(program)) {
        const changed = await this.converge(pool, key, stated, forget);
        if (changed && forget) throw new Error("the provider was killed");
      }
      for (const key of dependentsFirst(this.state.keys())) {
        if (program[key] === undefined) await this.remove(pool, key);
      }
    });
  }

  /** Paths that an `up` would change, after a refresh that is not saved. */
  async preview(program: Program): Promise<string[]> {
    const before = new Map(this.state);
    await this.refresh();
    const changes = this.pending(program);
    this.restore(before);
    return changes;
  }

  /** The same, from the recorded state without a refresh. */
  pending(program: Program): string[] {
    const changed = Object.entries(program).flatMap(([key, stated]) =>
      this.changes(key, checked(key, stated, this.state.get(key)?.inputs)).map(
        (path) => `${key} ${path}`,
      ),
    );
    const left = [...this.state.keys()].filter((key) => program[key] === undefined);
    return [...changed, ...left.map((key) => `${key} deleted`)];
  }

  async refresh(): Promise<void> {
    await this.pass((pool) => this.refreshed(pool));
  }

  async destroy(): Promise<void> {
    await this.up({});
  }

  /** An alias: moves the state of a resource to another name. */
  alias(key: string, newKey: string): void {
    const recorded = this.state.get(key);
    if (recorded === undefined) throw new Error(`the state contains no ${key}`);
    this.state.delete(key);
    this.state.set(newKey, recorded);
  }

  private restore(before: Map<string, Recorded>): void {
    this.state.clear();
    for (const [key, recorded] of before) this.state.set(key, recorded);
  }

  /** Each pass has its own provider. */
  private async pass(work: (pool: HostPool) => Promise<void>): Promise<void> {
    const pool = new HostPool(parseConfig(this.config()));
    try {
      await work(pool);
    } finally {
      pool.close();
    }
  }

  private context(pool: HostPool, key: string): Context {
    const [type = "", name = ""] = key.split(" ");
    return {
      urn: `urn:pulumi:${this.name}::model::microvm:index:${type}::${name}`,
      deadline: Date.now() + 60_000,
      workSeconds: 30,
      signal: new AbortController().signal,
      status: () => undefined,
      pool,
      log: silentLog,
    };
  }

  private async refreshed(pool: HostPool): Promise<void> {
    for (const [key, { id, inputs, outputs, failed }] of [...this.state]) {
      const found = await resource(key).read(this.context(pool, key), id, inputs, outputs);
      if (found === undefined) this.state.delete(key);
      else this.state.set(key, { id, inputs: found.inputs, outputs: found.properties, failed });
    }
  }

  private changes(key: string, news: ValueMap): string[] {
    const recorded = this.state.get(key);
    if (recorded === undefined) return ["created"];
    const { outputs, inputs, failed } = recorded;
    const changes = resource(key).diff(outputs, inputs, news, []);
    return [...changes.keys(), ...(failed ? ["failed"] : [])];
  }

  private async converge(
    pool: HostPool,
    key: string,
    stated: ValueMap,
    forget: boolean,
  ): Promise<boolean> {
    const old = this.state.get(key);
    const news = checked(key, stated, old?.inputs);
    if (this.changes(key, news).length === 0) return false;
    const context = this.context(pool, key);
    try {
      const made =
        old === undefined
          ? await resource(key).create(context, news, false)
          : {
              id: old.id,
              properties: await resource(key).update(
                context,
                { state: old.outputs, inputs: old.inputs },
                news,
                false,
              ),
            };
      if (forget) return true;
      this.state.set(key, { id: made.id, inputs: news, outputs: made.properties, failed: false });
    } catch (error) {
      if (error instanceof InitFailed) {
        const { id, properties: outputs } = error;
        this.state.set(key, { id, inputs: old?.inputs ?? news, outputs, failed: true });
      }
      throw error;
    }
    return true;
  }

  private async remove(pool: HostPool, key: string): Promise<void> {
    const recorded = this.state.get(key);
    if (recorded === undefined) return;
    await resource(key).remove(this.context(pool, key), recorded.inputs, recorded.outputs);
    this.state.delete(key);
  }
}

/** The engine's order of deletion: a VM before its volumes, whenever they were created. */
function dependentsFirst(keys: Iterable<string>): string[] {
  const isVm = (key: string): boolean => key.startsWith("MicroVm ");
  const all = [...keys].reverse();
  return [...all.filter(isVm), ...all.filter((key) => !isVm(key))];
}

function resource(key: string): BoundResource {
  const found = RESOURCES.get(`microvm:index:${key.split(" ")[0] ?? ""}`);
  if (found === undefined) throw new Error(`no resource for ${key}`);
  return found;
}

function checked(key: string, stated: ValueMap, olds: ValueMap | undefined): ValueMap {
  const { inputs, faults } = resource(key).check(stated, olds);
  if (faults.length > 0) throw new Error(`${key}: ${JSON.stringify(faults)}`);
  return inputs;
}
