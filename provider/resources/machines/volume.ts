/** `Volume`: the image of a disk. Made once, grown in place; never shrunk, formatted again or replaced. */
import { defaultImage, volumeId } from "../../../contract/names";
import { remedyOf } from "../../../contract/promises";
import { PartialFailure, ProviderError, asError } from "../../errors";
import { image as imageOn } from "../../hosts/reads";
import type { ImageContent } from "../../hosts/reads";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { openRecord, ownership, refuseOthers } from "../../ownership";
import type { Context, InputFault, Resource } from "../../resource";
import { UNKNOWN, toMap } from "../../wire";
import type { PlainMap } from "../../wire";
import { importable, notAnId, requireMachine, splitId } from "../shared/fields";
import { isFormerName, isSameMachine } from "../shared/renamed";
import { withLimit } from "../shared/turn";
import { growInGuest } from "./guestVolume";
import { refuseGrowth } from "./volumeGrowth";
import * as content from "./volumeState";
import { BYTES_PER_MIB, inputs, keyOf, outputs, placeOf, stateOf, volumesOf } from "./volumeState";
import type { Inputs, State } from "./volumeState";
import {
  pathUnder,
  refuseElsewhere,
  refuseRename,
  refuseUnrecorded,
  renameFirst,
} from "./vmRename";
import type { NamedVm } from "./vmRename";

const NEVER = remedyOf("volumeFixed");
/** Of these the image may grow; in the others another step comes first. */
const HAS_IMAGE = ["ready", "unrecorded"];

function parametersOf(
  wanted: Inputs,
  urn: string,
  recorded: State | undefined,
): Record<string, string> {
  return {
    known: recorded === undefined ? "no" : "yes",
    key: keyOf(wanted),
    vm: wanted.vm,
    image: wanted.image,
    bytes: String(wanted.sizeMiB * BYTES_PER_MIB),
    fs: wanted.fsType,
    label: wanted.label,
    on_delete: wanted.onDelete,
    record: openRecord(urn, {
      image: wanted.image,
      fsType: wanted.fsType,
      label: wanted.label,
      onDelete: wanted.onDelete,
    }),
  };
}

/** Its VM, as a rename sees it. */
const vmOf = ({ host, machineId, vm: name, renamedFrom }: Inputs): NamedVm => ({
  host,
  machineId,
  name,
  renamedFrom,
});

/** What the script on the host refuses too; here it shows in a preview. */
async function refuse(
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
  refuseOthers(observed.ownership, what);
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
  refuseContent(what, wanted, observed.content);
  // A VM that gets another name stops before its volumes grow.
  const isMoved = placeOf(facts, wanted, context).vm === wanted.vm;
  if (isMoved && observed.sizeMiB < wanted.sizeMiB && HAS_IMAGE.includes(observed.status)) {
    refuseGrowth(facts, wanted.vm, what);
  }
}

/** An image that may be another one, or has lost a part, stays as it is until somebody has looked. */
function refuseContent(what: string, wanted: Inputs, found: string): void {
  const record = `/var/lib/pulumi-microvm/volumes/${keyOf(wanted)}.json`;
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
    throw new ProviderError(
      "data-loss",
      `${what} has the label ${label}, not ${stated}: it may be another volume's; it was left alone`,
      `Put the right image back. If it is the right one, give it its label by hand: e2label IMAGE '${wanted.label}'.`,
    );
  }
}

/** The image is in the VM's directory, which gets the VM's new name. */
function isMovedImage({ vm, image }: PlainMap, olds: PlainMap): boolean {
  return (
    typeof vm === "string" &&
    typeof olds["vm"] === "string" &&
    typeof olds["image"] === "string" &&
    image === pathUnder(olds["image"], olds["vm"], vm)
  );
}

const ID_SHAPE =
  "HYPERVISOR/VM.VOLUME, or HYPERVISOR/VM.VOLUME=IMAGE for another path than the default";

/** An image as inputs would state it; what no site can state is not imported. */
function stated(image: ImageContent, id: string): Pick<Inputs, "sizeMiB" | "fsType" | "label"> {
  const sizeMiB = image.sizeBytes / BYTES_PER_MIB;
  const fsType = image.fsType === "" ? "none" : image.fsType;
  if (fsType !== "ext4" && fsType !== "none") {
    throw new ProviderError("foreign", `${id} holds ${fsType}; a volume is ext4 or raw`);
  }
  if (!Number.isInteger(sizeMiB)) {
    throw new ProviderError(
      "foreign",
      `${id} has ${image.sizeBytes} bytes, which are not whole MiB`,
      `Round it up while its VM is stopped: truncate -s %${BYTES_PER_MIB} IMAGE`,
    );
  }
  return { sizeMiB, fsType, label: image.label };
}

/** A few at a time: what works on an image is never cut, and may take hours. */
function onImages(
  context: Context,
  wanted: Inputs,
  name: string,
  parameters: Record<string, string>,
): Promise<HostFacts> {
  const { host, machineId } = wanted;
  const operation = { script: name, machineId, parameters, seconds: context.workSeconds };
  return withLimit(context, context.pool.limitsOf(host).volumes, host, keyOf(wanted), () =>
    context.pool.get(host).operate(context, operation),
  );
}

export const volume: Resource<Inputs, State> = {
  type: "Volume",
  description:
    "The image of a VM's disk. Created with its file system, grown in place; never " +
    "shrunk, never formatted again, never replaced. By default it stays when it is removed from the site.",
  inputs,
  outputs,
  timeoutSeconds: 86_400,
  immutable: {
    host: NEVER,
    machineId: "This is another machine.",
    vm: NEVER,
    name: NEVER,
    image: NEVER,
    fsType: NEVER,
  },
  incidental: ["renamedFrom", "address"],
  formerName: ({ renamedFrom, name }) =>
    renamedFrom === undefined ? undefined : `${renamedFrom}-${name}`,
  isRenamed(property, news, olds) {
    if (property === "host") return isSameMachine(news, olds);
    if (!isFormerName("vm", news, olds)) return false;
    return property === "vm" || (property === "image" && isMovedImage(news, olds));
  },
  mirrored: ["sizeMiB"],
  id: (wanted) => volumeId(wanted.host, wanted),

  check(wanted, previous) {
    if (previous === undefined) return [];
    const faults: InputFault[] = [];
    const moved = pathUnder(previous.image, previous.vm, wanted.vm);
    if (moved !== previous.image && wanted.image === previous.image) {
      const reason = `is in the directory of VM ${previous.vm}, which moves to ${wanted.vm}. State image: ${moved}, or leave image out.`;
      faults.push({ property: "image", reason });
    }
    if (wanted.sizeMiB < previous.sizeMiB) {
      const reason = `${previous.sizeMiB} MiB can't become ${wanted.sizeMiB} MiB: a volume never shrinks. Add a smaller one, move the data, then remove this one.`;
      faults.push({ property: "sizeMiB", reason });
    }
    if (previous.label !== "" && wanted.label !== previous.label) {
      const keep = `To keep it as it is, state its label in the site: label: ${previous.label}`;
      faults.push({ property: "label", reason: `can't be changed. ${NEVER} ${keep}` });
    }
    return faults;
  },

  drift(state) {
    return [
      ...(state.status === "ready" ? [] : ["status"]),
      ...(state.ownership === "owned" ? [] : ["ownership"]),
      ...(state.content === content.AS_STATED ? [] : ["content"]),
    ];
  },

  predict: (wanted, state) => ({
    ...(state && toMap(state)),
    sizeMiB: wanted.sizeMiB,
    status: UNKNOWN,
    ownership: UNKNOWN,
    content: content.AS_STATED,
  }),

  async explainNew(context, wanted, observed) {
    if (observed !== undefined) return undefined;
    const facts = await context.pool.get(wanted.host).read(context);
    const others = volumesOf(facts, wanted.vm);
    if (others.length === 0) return undefined;
    return `${keyOf(wanted)}: a new empty disk; ${wanted.vm} has ${others.join(", ")} already. A volume with a new name does not get the data of the old one`;
  },

  async observe(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context);
  },

  refuse,

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    await renameFirst(context, vmOf(wanted));
    const parameters = parametersOf(wanted, context.urn, recorded);
    let facts = await onImages(context, wanted, "volume-apply", parameters);
    const state = stateOf(facts, wanted, context);
    if (state === undefined) {
      throw new ProviderError("operation", `${wanted.host}: volume ${keyOf(wanted)} was not made`);
    }
    if (state.status !== "growing") return state;
    try {
      await growInGuest(context, wanted);
      facts = await onImages(context, wanted, "volume-grown", parameters);
    } catch (error) {
      throw new PartialFailure(state, asError(error));
    }
    return stateOf(facts, wanted, context) ?? state;
  },

  async remove(context, wanted, recorded) {
    const facts = await context.pool.get(wanted.host).read(context);
    const { vm, image } = placeOf(facts, wanted, context);
    // The rename of its VM in the same run has moved it.
    const there = { ...wanted, vm, image };
    const parameters = parametersOf(there, context.urn, recorded);
    await onImages(context, there, "volume-remove", parameters);
    const fate = { retain: "kept", trash: "moved to the trash", delete: "deleted" }[
      wanted.onDelete
    ];
    const what = `${wanted.host}: the image ${image} of ${keyOf(wanted)}`;
    context.log.info(context.urn, `${what} was ${fate} (onDelete: ${wanted.onDelete})`);
  },

  async find(context, id) {
    const { host: hostName, rest } = splitId(id, ID_SHAPE);
    const [, vm = "", volumeName = "", path] = /^([^.=]+)\.([^.=]+)(?:=(.+))?$/.exec(rest) ?? [];
    if (vm === "") throw notAnId(id, ID_SHAPE);
    const image = path ?? defaultImage(vm, volumeName);
    const facts = await context.pool.get(hostName).read(context);
    const found = await imageOn(context.pool.get(hostName), context, image);
    if (found === undefined) return undefined;
    const { machineId } = facts;
    const seen = { host: hostName, machineId, vm, name: volumeName, image, ...stated(found, id) };
    const wanted = importable(inputs, seen, id);
    const text = facts.records.get(`volumes/${keyOf(wanted)}`);
    const state = {
      status: "unrecorded",
      ownership: ownership(text, context),
      content: content.AS_STATED,
    };
    return { inputs: wanted, state: { sizeMiB: wanted.sizeMiB, ...state } };
  },
};
