/** A `Seed` as the engine drives it, with the real Helm against a real API server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GitOps } from "../../provider/gitops/releases";
import { recordPath, releaseOf } from "../../provider/gitops/helm/release";
import type { Release } from "../../provider/gitops/helm/release";
import { bind } from "../../provider/lifecycle";
import type { Context } from "../../provider/resource";
import { seed } from "../../provider/resources/gitops/seed";
import type { ValueMap } from "../../provider/wire";
import { contextOf } from "../unit/provider/context";
import { makeChart, notingHelm } from "./chart";
import { startCluster } from "./cluster";
import type { Cluster } from "./cluster";

export const bound = bind(seed);
export const URN = "urn:pulumi:prod::project::microvm:index:Seed::";

export class Seeds {
  /** What the engine got, of all passes. */
  readonly said: string[] = [];
  readonly charts: Readonly<Record<"1.0.0" | "1.1.0", string>>;
  /** The program, and what it notes of each run. */
  readonly helm: { program: string; notes: string };

  private constructor(
    readonly cluster: Cluster,
    readonly scratch: string,
  ) {
    this.charts = { "1.0.0": makeChart(scratch, "1.0.0"), "1.1.0": makeChart(scratch, "1.1.0") };
    this.helm = notingHelm(scratch, cluster.helm);
  }

  static async start(): Promise<Seeds> {
    const cluster = await startCluster();
    return new Seeds(cluster, mkdtempSync(join(tmpdir(), "pulumi-microvm-seed-")));
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.scratch, { recursive: true });
  }

  /** A provider process that has seen nothing yet. */
  pass(name: string, { urn = URN, program = this.helm.program } = {}): Context {
    const keep = (_urn: string, text: string): void => void this.said.push(text);
    const context = contextOf(`${urn}${name}`, { info: keep, warning: keep });
    const gitOps = new GitOps(this.cluster.access, program);
    jest.spyOn(context.pool, "gitOps").mockReturnValue(gitOps);
    this.cluster.requests.length = 0;
    return context;
  }

  wanted(name: string, more: ValueMap = {}, values: object = {}): ValueMap {
    return {
      cluster: "production",
      releaseName: name,
      namespace: name,
      storageNamespace: name,
      ...this.chart("1.0.0"),
      values: JSON.stringify(values),
      owner: "flux",
      gate: { workloads: false, nodes: false, crds: [], defaultStorageClass: false },
      timeoutSeconds: 60,
      ...more,
    };
  }

  chart(version: "1.0.0" | "1.1.0"): ValueMap {
    return { chart: { kind: "path", path: this.charts[version], name: "demo", version } };
  }

  async create(name: string, news: ValueMap, preview = false): Promise<ValueMap> {
    return (await bound.create(this.pass(name), news, preview)).properties;
  }

  update(name: string, state: ValueMap, news: ValueMap, preview = false): Promise<ValueMap> {
    return bound.update(this.pass(name), { state, inputs: state }, news, preview);
  }

  async read(name: string, state: ValueMap): Promise<ValueMap | undefined> {
    return (await bound.read(this.pass(name), "", state, state))?.properties;
  }

  async record(name: string, revision: number): Promise<Release | undefined> {
    const secret = await this.cluster.objects.get(recordPath(name, name, revision));
    return secret && releaseOf(secret);
  }

  /** Installed by somebody with Helm at hand. */
  async byHand(name: string): Promise<void> {
    const context = this.pass(name);
    const gitOps = context.pool.gitOps();
    const target = [name, this.charts["1.0.0"], `--namespace=${name}`, "--create-namespace"];
    const command = { args: ["install", ...target], input: "", secrets: [], doing: "by hand" };
    await gitOps.helm.run(context, gitOps.cluster, command);
  }
}

export async function failed(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => new Error("it did not fail"),
    (one: unknown) => one,
  );
  return error instanceof Error ? error : new Error(String(error));
}

export async function until(is: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    if (await is()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("it never came");
}
