/** The blockers of a `Volume`. The script on the host refuses the same. */
import { ProviderError } from "../../errors";
import { refuseOthers } from "../../ownership";
import type { Context } from "../../resource";
import { refuseGrowth } from "./volumeGrowth";
import * as content from "./volumeState";
import { formerVolume, keyOf, placeOf } from "./volumeState";
import type { FormerVolume, Inputs, State } from "./volumeState";
import { refuseElsewhere, refuseRename, refuseUnrecorded } from "./vmRename";
import type { NamedVm } from "./vmRename";

/** The states in which an image can grow. In other states, another step comes first. */
const HAS_IMAGE = ["ready", "unrecorded"];

/** The VM of the volume, for a rename. */
export const vmOf = ({ host, machineId, vm: name, renamedFrom }: Inputs): NamedVm => ({
  host,
  machineId,
  name,
  renamedFrom,
});

/** Throws if the script on the host would refuse, so that a preview reports it. */
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
      `${what} was created earlier and is missing now`,
      "Restore the image. For a new, empty image, remove " +
        `/var/lib/pulumi-microvm/volumes/${keyOf(wanted)}.json on the host and run up.`,
    );
  }
  if (observed.ownership === "missing" && recorded === undefined) {
    throw new ProviderError(
      "foreign",
      `${what} exists, and no stack recorded making it; nothing was changed`,
      "To adopt it, set import: true on the VM. Otherwise use another image path for the volume.",
    );
  }
  if (observed.sizeMiB > wanted.sizeMiB) {
    throw new ProviderError(
      "data-loss",
      `${what} has ${observed.sizeMiB} MiB, more than ${wanted.sizeMiB} MiB; ` +
        "a volume never shrinks",
      "Set the size of the volume to at least the size of its image.",
    );
  }
  refuseContent(what, wanted, observed.content, former);
  // A renamed VM stops before its volumes grow.
  const isMoved = placeOf(facts, wanted, context).vm === wanted.vm;
  if (isMoved && observed.sizeMiB < wanted.sizeMiB && HAS_IMAGE.includes(observed.status)) {
    refuseGrowth(facts, wanted.vm, what);
  }
}

/** A volume takes over the image of a volume that left the site. */
function refuseTakeover(what: string, wanted: Inputs, { key, record }: FormerVolume): void {
  const { phase = "ready", onDelete = "retain" } = record;
  if (!["ready", "retained"].includes(phase)) {
    throw new ProviderError(
      "operation",
      `${what} is the image of volume ${key}, whose last operation was interrupted (${phase})`,
      "Run up with the old name of the volume first: it finishes that operation.",
    );
  }
  if (onDelete !== "retain") {
    throw new ProviderError(
      "data-loss",
      `${what} is the image of volume ${key}, which has onDelete: ${onDelete}: ` +
        "the removal of that volume would remove the image",
      `Add ${key} to the site again with onDelete: retain, and run up. ` +
        `Then rename it to ${wanted.name}.`,
    );
  }
}

/** An image with unexpected content is not changed, because it may belong to another volume. */
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
      `${what} is ${found}: a part of it is missing; nothing was changed`,
      "Restore the whole image. If it is a backup of the smaller volume, " +
        `remove ${record} on the host and run up.`,
    );
  }
  if (found === content.NO_FILE_SYSTEM || found.startsWith(content.ANOTHER_FILE_SYSTEM)) {
    const holds = found.slice(content.ANOTHER_FILE_SYSTEM.length);
    throw new ProviderError(
      "data-loss",
      `${what} holds ${holds === "" ? "no file system that blkid knows" : holds}, ` +
        `not ${wanted.fsType}; it is never formatted again`,
      "Restore the right image. For an empty volume, move this image away and " +
        `remove ${record} on the host.`,
    );
  }
  if (found.startsWith(content.ANOTHER_LABEL)) {
    const label = found.slice(content.ANOTHER_LABEL.length);
    const stated = wanted.label === "" ? "none" : wanted.label;
    if (former !== undefined) {
      throw new ProviderError(
        "data-loss",
        `${what} is the image of volume ${former.key} and has the label ${label}, not ${stated}`,
        `A label cannot change. Set it in the site: label: ${label}.`,
      );
    }
    throw new ProviderError(
      "data-loss",
      `${what} has the label ${label}, not ${stated}; it may belong to another volume; ` +
        "nothing was changed",
      "Restore the right image. If this is the right one, run: " +
        `e2label IMAGE '${wanted.label}'.`,
    );
  }
}
