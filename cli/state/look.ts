/** Looks at the hosts as the provider does in a refresh: one connection and one probe for each. */
import type { FailureNotice } from "../../contract/notices";
import { UNREAD_CAUSES } from "../../contract/notices";
import { InitFailed, ProviderError } from "../../provider/errors";
import type { HostFacts } from "../../provider/hosts/facts/hostFacts";
import { parseRecord } from "../../provider/hosts/facts/record";
import { HostPool } from "../../provider/hosts/pool";
import type { Closed } from "../../provider/hosts/pool";
import { silentLog } from "../../provider/log";
import type { Context } from "../../provider/resource";
import { RESOURCES } from "../../provider/resources";
import { BYTES_PER_MIB } from "../../provider/resources/machines/volumeState";
import type { ValueMap } from "../../provider/wire";
import { messageOf } from "../errors";
import type { StackState, StateResource } from "./state";

const READ_SECONDS = 120;

/** What was found of one resource. */
export interface Look {
  resource: StateResource;
  /** Undefined: it could not be read, or it is gone. */
  observed: ValueMap | undefined;
  condition: "ok" | "drifted" | "gone" | "unread" | Closed;
  /** Drifted paths. */
  paths: string[];
  /** Why it could not be read. */
  reason: string;
}

/** A thing on a host with a record of this stack, which the state does not know. */
export interface Orphan {
  host: string;
  kind: "VM" | "volume";
  /** `kw1`, or `kw1.var`. */
  name: string;
  urn: string;
  /** What it is, for people. */
  text: string;
}

export interface HostLook {
  host: string;
  /** Why it is not contacted. Absent: it is. */
  closed?: Closed;
  /** Empty if it answers. */
  reason: string;
  remedy: string;
  orphans: Orphan[];
}

export interface Looks {
  hosts: HostLook[];
  resources: Look[];
}

/** The hosts of a stack. Close it afterwards. */
export class Lookout {
  readonly pool: HostPool;
  private readonly failures = new Map<string, FailureNotice>();

  constructor(
    private readonly state: StackState,
    private readonly signal: AbortSignal,
  ) {
    this.pool = new HostPool(state.config);
  }

  close(): void {
    this.pool.close();
  }

  context(urn: string, status: (text: string) => void = () => undefined): Context {
    return {
      urn,
      deadline: Date.now() + READ_SECONDS * 1000,
      workSeconds: READ_SECONDS,
      signal: this.signal,
      status,
      pool: this.pool,
      log: {
        ...silentLog,
        notice: (notice) => {
          if (notice.kind === "failure") this.failures.set(notice.urn, notice);
        },
      },
    };
  }

  async look(): Promise<Looks> {
    const names = this.pool.names().sort();
    const hosts = await Promise.all(names.map((host) => this.lookAtHost(host)));
    const resources = await Promise.all(this.state.resources.map((one) => this.lookAt(one)));
    return { hosts, resources };
  }

  facts(host: string): Promise<HostFacts> {
    return this.pool.get(host).read(this.context(host));
  }

  private async lookAtHost(host: string): Promise<HostLook> {
    const closed = this.pool.closed(host);
    if (closed !== undefined) {
      return { host, closed, reason: `${closed}: not contacted`, remedy: "", orphans: [] };
    }
    try {
      const facts = await this.facts(host);
      return { host, reason: "", remedy: "", orphans: orphansOf(host, facts, this.state) };
    } catch (error) {
      const isOurs = error instanceof ProviderError;
      const [reason, remedy] = isOurs ? [error.what, error.remedy ?? ""] : [messageOf(error), ""];
      return { host, reason, remedy, orphans: [] };
    }
  }

  private async lookAt(resource: StateResource): Promise<Look> {
    const { urn, type, id, inputs, outputs } = resource;
    const bound = RESOURCES.get(type);
    const look = { resource, observed: undefined, paths: [], reason: "" };
    const { host } = inputs;
    const closed = typeof host === "string" ? this.pool.closed(host) : undefined;
    if (closed !== undefined) return { ...look, observed: outputs, condition: closed };
    if (bound === undefined)
      return { ...look, condition: "unread", reason: `unknown type ${type}` };
    try {
      const found = await bound.read(this.context(urn), id, inputs, outputs);
      if (found === undefined) return { ...look, condition: "gone" };
      const observed = found.properties;
      const paths = [...bound.diff(observed, inputs, inputs, []).keys()].sort();
      return { ...look, observed, paths, condition: paths.length === 0 ? "ok" : "drifted" };
    } catch (error) {
      const reason = error instanceof InitFailed ? error.reasons.join("\n") : messageOf(error);
      return { ...look, condition: "unread", reason: this.failures.get(urn)?.what ?? reason };
    }
  }

  /** The host itself could not be read. */
  isUnreachable(urn: string): boolean {
    return UNREAD_CAUSES.includes(this.failures.get(urn)?.cause ?? "");
  }
}

/** Records of this stack that the state does not know. Pure. */
export function orphansOf(
  host: string,
  { records, vms, images }: Pick<HostFacts, "records" | "vms" | "images">,
  { resources, prefix }: Pick<StackState, "resources" | "prefix">,
): Orphan[] {
  const known = new Set(resources.map(({ urn }) => urn));
  return [...records]
    .flatMap(([key, text]): Orphan[] => {
      const [directory = "", name = ""] = key.split("/");
      const record = parseRecord(text);
      if (typeof record !== "object" || !record.urn.startsWith(prefix)) return [];
      if (known.has(record.urn)) return [];
      const { urn } = record;
      if (directory === "vms") {
        const runs = vms.get(name)?.active === "active";
        return [{ host, kind: "VM", name, urn, text: runs ? "a running VM" : "a stopped VM" }];
      }
      if (directory !== "volumes") return [];
      const image = record.image ?? "";
      const bytes = images.get(image)?.sizeBytes;
      const size =
        bytes === undefined ? "its image is missing" : `${Math.ceil(bytes / BYTES_PER_MIB)} MiB`;
      const what = record.phase === "retained" ? "a retained volume" : "a volume";
      return [{ host, kind: "volume", name, urn, text: `${what}, ${size}: ${image}` }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
