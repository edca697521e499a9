/** `pulumi-microvm purge NAME`: removes one thing that no state knows, and its data. */
import { createInterface } from "node:readline/promises";
import { CliError, EXIT } from "../errors";
import type { ExitCode } from "../errors";
import { parseRecord } from "../../provider/hosts/facts/record";
import type { HostFacts } from "../../provider/hosts/facts/hostFacts";
import { RESOURCES } from "../../provider/resources";
import { Lookout } from "../state/look";
import type { Orphan } from "../state/look";
import { readState } from "../state/state";
import type { Terminal } from "../terminal";
import type { ValueMap } from "../../provider/wire";

export interface PurgeFlags {
  directory: string;
  stack?: string;
  /** The hypervisor, where several have a thing of that name. */
  host?: string;
  /** The name once more, instead of the question. */
  confirm?: string;
}

const PURGE_SECONDS = 3600;

export async function purge(
  terminal: Terminal,
  name: string,
  flags: PurgeFlags,
): Promise<ExitCode> {
  const state = await terminal.during("reading the state", () =>
    readState(flags.directory, flags.stack),
  );
  const lookout = new Lookout(state, new AbortController().signal);
  try {
    const { hosts } = await terminal.during("looking at the hosts", () => lookout.look());
    const orphan = choose(
      hosts.flatMap(({ orphans }) => orphans),
      name,
      flags.host,
      hosts.filter(({ reason }) => reason !== "").map(({ host }) => host),
    );
    terminal.note(`${orphan.host}: ${orphan.kind} ${orphan.name}: ${orphan.text}`);
    await confirm(terminal, orphan, flags.confirm);
    const facts = await lookout.facts(orphan.host);
    await terminal.during(`removing ${orphan.name}`, () => remove(lookout, orphan, facts));
    terminal.print(`${orphan.host}: ${orphan.kind} ${orphan.name} was removed`);
    return EXIT.done;
  } finally {
    lookout.close();
  }
}

/** Exactly one. What could not be read may have another. */
export function choose(
  orphans: readonly Orphan[],
  name: string,
  host: string | undefined,
  unread: readonly string[],
): Orphan {
  const found = orphans.filter(
    (one) => one.name === name && (host === undefined || one.host === host),
  );
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (second !== undefined) {
    const hosts = found.map((one) => one.host).join(", ");
    throw new CliError(`${name} is on several hosts: ${hosts}`, EXIT.usage, "Pass --host NAME.");
  }
  const away = unread.length === 0 ? "" : `; not read: ${unread.join(", ")}`;
  throw new CliError(
    `no host has an orphan ${name} of this stack${away}`,
    EXIT.failed,
    "pulumi-microvm status lists them. What the state knows is removed by taking it from the site.",
  );
}

async function confirm(
  terminal: Terminal,
  { kind, name }: Orphan,
  given: string | undefined,
): Promise<void> {
  const answer = given ?? (await ask(kind, name));
  if (answer === name) return;
  terminal.note("Nothing was removed.");
  throw new CliError(`the answer was not ${name}`, EXIT.usage);
}

async function ask(kind: string, name: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CliError("there is no terminal to ask", EXIT.usage, `Pass --confirm ${name}.`);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const loss = kind === "volume" ? "Its data is lost. " : "";
    return (await lines.question(`${loss}Type its name to remove it: `)).trim();
  } finally {
    lines.close();
  }
}

async function remove(lookout: Lookout, orphan: Orphan, facts: HostFacts): Promise<void> {
  const type = orphan.kind === "VM" ? "MicroVm" : "Volume";
  const resource = RESOURCES.get(`microvm:index:${type}`);
  if (resource === undefined) throw new Error(`no resource ${type}`);
  const context = {
    ...lookout.context(orphan.urn),
    deadline: Date.now() + PURGE_SECONDS * 1000,
    workSeconds: PURGE_SECONDS,
  };
  const inputs = orphan.kind === "VM" ? vmInputs(orphan, facts) : volumeInputs(orphan, facts);
  await resource.remove(context, inputs, {});
}

const NO_PATH = `/nix/store/${"0".repeat(32)}-none`;

/** Only what the removal uses matters; the rest has to pass the schema. */
function vmInputs({ host, name }: Orphan, facts: HostFacts): ValueMap {
  const vm = facts.vms.get(name);
  const [runner, toplevel] = [vm?.current ?? NO_PATH, vm?.toplevel ?? NO_PATH];
  return { host, machineId: facts.machineId, name, runner, toplevel };
}

function volumeInputs({ host, name }: Orphan, facts: HostFacts): ValueMap {
  const record = parseRecord(facts.records.get(`volumes/${name}`));
  const image = typeof record === "object" ? record.image : undefined;
  const [vm = "", volume = ""] = name.split(".");
  if (image === undefined) {
    throw new CliError(`${host}: the record of ${name} names no image`, EXIT.failed);
  }
  const { machineId } = facts;
  const rest = { sizeMiB: 1, label: "", onDelete: "delete" };
  return { host, machineId, vm, name: volume, image, ...rest };
}
