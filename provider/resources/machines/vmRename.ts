/**
 * A renamed VM: it stops, and its directory and its records move once, before the first of its
 * resources converges. scripts/machines/microvm-rename.sh does this. Decision 14 explains the
 * reasons.
 */
import { ProviderError } from "../../errors";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { stackOf } from "../../ownership";
import type { Context } from "../../resource";
import { withLimit } from "../shared/turn";
import { STOP_SECONDS, slotParameters } from "./microVmStart";

const MICROVMS = "/var/lib/microvms";

/** The names of a VM, and its host. */
export interface NamedVm {
  host: string;
  machineId: string;
  name: string;
  renamedFrom?: string | undefined;
}

/** The path of a file after the directory of its VM was renamed. Other files do not move. */
export function pathUnder(path: string, vm: string, name: string): string {
  const directory = `${MICROVMS}/${vm}/`;
  return path.startsWith(directory) ? `${MICROVMS}/${name}/${path.slice(directory.length)}` : path;
}

/** How the owner in each record of the same stack begins. */
export function stackField(urn: string): string {
  return `"urn":${JSON.stringify(stackOf(urn)).slice(0, -1)}`;
}

/** The former name, while this stack has records of the VM or its volumes under it. */
export function unmovedName(
  facts: HostFacts,
  renamedFrom: string | undefined,
  urn: string,
): string | undefined {
  if (renamedFrom === undefined) return undefined;
  const isOfVm = (key: string): boolean =>
    key === `vms/${renamedFrom}` || key.startsWith(`volumes/${renamedFrom}.`);
  const ours = stackField(urn);
  const found = [...facts.records].some(([key, text]) => isOfVm(key) && text.includes(ours));
  return found ? renamedFrom : undefined;
}

/** Throws if the script would refuse the rename, so that a preview reports it. */
export function refuseRename(facts: HostFacts, vm: NamedVm, urn: string): void {
  const from = unmovedName(facts, vm.renamedFrom, urn);
  if (from === undefined) return;
  if (!isThere(facts, vm.name) && !(hasImages(facts, vm.name) && hasImages(facts, from))) return;
  throw new ProviderError(
    "foreign",
    `${vm.host}: VM ${from} can't be renamed to ${vm.name}: ` +
      "the host has a VM or images of that name already; nothing was changed",
    `Use another name, or remove what is in ${MICROVMS}/${vm.name} on the host.`,
  );
}

/** Throws if only the directory has the former name, because its owner is unknown. */
export function refuseUnrecorded(
  facts: HostFacts,
  { host, name, renamedFrom }: NamedVm,
  urn: string,
): void {
  if (renamedFrom === undefined || unmovedName(facts, renamedFrom, urn) !== undefined) return;
  if (!isThere(facts, renamedFrom) && !hasImages(facts, renamedFrom)) return;
  throw new ProviderError(
    "foreign",
    `${host}: ${MICROVMS}/${renamedFrom} exists, but this stack has no record of it: ` +
      `it can't be renamed to ${name}`,
    `Run up with the old name ${renamedFrom} first: it writes the records again.`,
  );
}

/** `found`: the name of the VM on the host, which an interrupted rename may have left. */
export function refuseElsewhere(found: string, { host, name, renamedFrom }: NamedVm): void {
  if (found === name || found === renamedFrom) return;
  throw new ProviderError(
    "operation",
    `${host}: VM ${name} has the name ${found} on the host: ` +
      "a rename was interrupted; nothing was changed",
    `In the site, name it ${found} with renamedFrom: ${name} again, ` +
      `or ${name} with renamedFrom: ${found}.`,
  );
}

function isThere(facts: HostFacts, name: string): boolean {
  const vm = facts.vms.get(name);
  return facts.records.has(`vms/${name}`) || vm?.current !== undefined || vm?.hasFlake === true;
}

function hasImages(facts: HostFacts, name: string): boolean {
  return [...facts.images.keys()].some((path) => path.startsWith(`${MICROVMS}/${name}/`));
}

/** The facts after the rename. For the second caller, nothing is left to do. */
export async function renameFirst(context: Context, vm: NamedVm): Promise<HostFacts> {
  const { host: hostName, machineId, name } = vm;
  const host = context.pool.get(hostName);
  const rename = async (): Promise<HostFacts> => {
    const facts = await host.read(context);
    const from = unmovedName(facts, vm.renamedFrom, context.urn);
    if (from === undefined) return facts;
    return host.operate(context, {
      script: "microvm-rename",
      machineId,
      parameters: {
        name,
        from,
        stack: stackField(context.urn),
        ...slotParameters(context, vm),
      },
      seconds: STOP_SECONDS,
    });
  };
  const facts = await host.read(context);
  if (unmovedName(facts, vm.renamedFrom, context.urn) === undefined) return facts;
  return withLimit(context, context.pool.limitsOf(hostName).vms, hostName, name, rename);
}
