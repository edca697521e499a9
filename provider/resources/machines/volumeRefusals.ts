/** Why a `Volume` cannot be converged. The script on the host refuses the same. */
import { ProviderError } from "../../errors";
import { refuseOthers } from "../../ownership";
import type { Context } from "../../resource";
import { refuseGrowth } from "./volumeGrowth";
import * as content from "./volumeState";
import { formerVolume, keyOf, placeOf } from "./volumeState";
import type { FormerVolume, Inputs, State } from "./volumeState";
import { refuseElsewhere, refuseRename, refuseUnrecorded } from "./vmRename";
import type { NamedVm } from "./vmRename";

/** In these states the image may grow. In the others another step comes first. */
const HAS_IMAGE = ["ready", "unrecorded"];

/** Its VM, as a rename sees it. */
export const vmOf = ({ host, machineId, vm: name, renamedFrom }: Inputs): NamedVm => ({
  host,
  machineId,
  name,
  renamedFrom,
});

/** What the script on the host refuses too; here it shows in a preview. */
export async function refuse(
  context: Context,
  wanted: Inputs,
  observed: State | undefined,
  recorded: State | undefined,
): Promise<void> {
  const facts = await context.pool.get(wanted.host).read(context);
  refuseRename(facts, vmOf(wanted), context.urn);
  refuseElsewhere(placeOf(facts, wanted, context).vm, vmOf(wanted));
  if (observed === undefined) {
    if (recorded !== undefined) refuseUnrecorded(facts, vmOf(wanted), context.urn);
    return;
  }
  const what = `${wanted.host}: volume ${keyOf(wanted)} (${wanted.image})`;
  const former = formerVolume(facts, wanted, context);
  refuseOthers(observed.ownership, what);
  if (former !== undefined) refuseTakeover(what, wanted, former);
  if (observed.status === "missing") {
    throw new ProviderError(
      "data-loss",
      `${what} is missing, though it was made`,
      `Put the image back. Only if its data may be lost: remove /var/lib/pulumi-microvm/volumes/${keyOf(wanted)}.json on the host; the next up makes an empty one.`,
    );
  }
  if (observed.ownership === "missing" && recorded === undefined) {
    throw new ProviderError(
      "foreign",
      `${what} exists, and no stack recorded making it; it was left alone`,
      "To take it over as it is, set import: true on the VM; or give the volume another image path.",
    );
  }
  if (observed.sizeMiB > wanted.sizeMiB) {
    throw new ProviderError(
      "data-loss",
      `${what} has ${observed.sizeMiB} MiB; ${wanted.sizeMiB} MiB are wanted, and a volume never shrinks`,
      "State at least the size it has.",
    );
  }
  refuseContent(what, wanted, observed.content, former);
  // A VM that gets another name stops before its volumes grow.
  const isMoved = placeOf(facts, wanted, context).vm === wanted.vm;
  if (isMoved && observed.sizeMiB < wanted.sizeMiB && HAS_IMAGE.includes(observed.status)) {
    refuseGrowth(facts, wanted.vm, what);
  }
}

/** The image of a volume that left the site becomes that of one with another name. */
function refuseTakeover(what: string, wanted: Inputs, { key, record }: FormerVolume): void {
  const { phase = "ready", onDelete = "retain" } = record;
  if (!["ready", "retained"].includes(phase)) {
    throw new ProviderError(
      "operation",
      `${what} is the image of volume ${key}, whose work was interrupted (${phase})`,
      "Run up with the old name of the volume first: it finishes that work.",
    );
  }
  if (onDelete !== "retain") {
    throw new ProviderError(
      "data-loss",
      `${what} is the image of volume ${key}, which has onDelete: ${onDelete}: its removal takes the image away`,
      `Put ${key} back into the site with onDelete: retain, run up, and then rename it to ${wanted.name}.`,
    );
  }
}

/** An image that may be another one, or has lost a part, stays as it is until somebody has looked. */
function refuseContent(
  what: string,
  wanted: Inputs,
  found: string,
  former: FormerVolume | undefined,
): void {
  const key = former?.key ?? keyOf(wanted);
  const record = `/var/lib/pulumi-microvm/volumes/${key}.json`;
  if (found.startsWith(content.TRUNCATED)) {
    throw new ProviderError(
      "data-loss",
      `${what} is ${found}: a part of it is missing; it was left alone`,
      `Put the whole image back. If this is a whole one of before it grew, remove ${record} on the host; the next up grows it.`,
    );
  }
  if (found === content.NO_FILE_SYSTEM || found.startsWith(content.ANOTHER_FILE_SYSTEM)) {
    const holds = found.slice(content.ANOTHER_FILE_SYSTEM.length);
    throw new ProviderError(
      "data-loss",
      `${what} holds ${holds === "" ? "no file system that blkid knows" : holds}, not ${wanted.fsType}; it is never formatted again`,
      `Put the right image back, or move this one away and remove ${record} on the host to start with an empty volume.`,
    );
  }
  if (found.startsWith(content.ANOTHER_LABEL)) {
    const label = found.slice(content.ANOTHER_LABEL.length);
    const stated = wanted.label === "" ? "none" : wanted.label;
    if (former !== undefined) {
      throw new ProviderError(
        "data-loss",
        `${what} is the image of volume ${former.key} and has the label ${label}, not ${stated}`,
        `A label stays as it is. State it in the site: label: ${label}.`,
      );
    }
    throw new ProviderError(
      "data-loss",
      `${what} has the label ${label}, not ${stated}: it may be another volume's; it was left alone`,
      `Put the right image back. If it is the right one, give it its label by hand: e2label IMAGE '${wanted.label}'.`,
    );
  }
}
