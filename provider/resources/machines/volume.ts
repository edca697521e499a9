/** `Volume`: the image of a disk. Created once, grown in place, never shrunk or replaced. */
import { defaultImage, volumeId } from "../../../contract/names";
import { remedyOf } from "../../../contract/promises";
import { PartialFailure, ProviderError, asError } from "../../errors";
import { image as imageOn } from "../../hosts/reads";
import type { ImageContent } from "../../hosts/reads";
import type { HostFacts } from "../../hosts/facts/hostFacts";
import { openRecord, ownership } from "../../ownership";
import type { Context, InputFault, Resource } from "../../resource";
import { UNKNOWN, toMap } from "../../wire";
import type { PlainMap } from "../../wire";
import { importable, notAnId, requireMachine, splitId } from "../shared/fields";
import { isFormerName, isSameMachine } from "../shared/renamed";
import { withLimit } from "../shared/turn";
import { growInGuest } from "./guestVolume";
import * as content from "./volumeState";
import {
  BYTES_PER_MIB,
  formerVolume,
  inputs,
  keyOf,
  outputs,
  placeOf,
  stateOf,
  volumesOf,
} from "./volumeState";
import type { FormerVolume, Inputs, State } from "./volumeState";
import { refuse, vmOf } from "./volumeRefusals";
import { pathUnder, renameFirst, stackField } from "./vmRename";

const NEVER = remedyOf("volumeFixed");

function parametersOf(
  wanted: Inputs,
  urn: string,
  recorded: State | undefined,
  former?: FormerVolume,
): Record<string, string> {
  return {
    adopt: former?.key ?? "",
    stack: stackField(urn),
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

/** Inputs for an existing image. An image that no site can describe is not imported. */
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

/** Limited, because work on an image is never interrupted and may take hours. */
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
    "The image of a VM's disk. Created with its file system and grown in place. Never shrunk, " +
    "formatted again or replaced. By default, it stays when it is removed from the site.",
  inputs,
  outputs,
  timeoutSeconds: 86_400,
  immutable: {
    host: remedyOf("move"),
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
      const reason =
        `is in the directory of VM ${previous.vm}, which moves to ${wanted.vm}. ` +
        `Set image: ${moved}, or remove image.`;
      faults.push({ property: "image", reason });
    }
    if (wanted.sizeMiB < previous.sizeMiB) {
      const reason =
        `${previous.sizeMiB} MiB can't become ${wanted.sizeMiB} MiB: a volume never shrinks. ` +
        "Add a smaller one, move the data, and remove this one.";
      faults.push({ property: "sizeMiB", reason });
    }
    if (previous.label !== "" && wanted.label !== previous.label) {
      const keep = `To keep it, set it in the site: label: ${previous.label}`;
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

  async explain({ isNew, inputs: wanted, observed }, context) {
    if (!isNew) return undefined;
    const facts = await context.pool.get(wanted.host).read(context);
    const former = formerVolume(facts, wanted, context);
    if (former !== undefined) {
      const { image } = wanted;
      return `${keyOf(wanted)}: takes over the image ${image} of ${former.key} with its data`;
    }
    const others = volumesOf(facts, wanted.vm);
    if (observed !== undefined || others.length === 0) return undefined;
    return (
      `${keyOf(wanted)}: a new empty disk; ${wanted.vm} has ${others.join(", ")} already. ` +
      "A volume with a new name gets the data of the old one only if the site sets its image " +
      "and label"
    );
  },

  async observe(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context);
  },

  refuse,

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const before = await renameFirst(context, vmOf(wanted));
    const former = formerVolume(before, wanted, context);
    const parameters = parametersOf(wanted, context.urn, recorded, former);
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
    const heir = formerVolume(facts, there, context);
    const parameters = parametersOf(there, context.urn, recorded);
    await onImages(context, there, "volume-remove", parameters);
    const fate = { retain: "kept", trash: "moved to the trash", delete: "deleted" }[
      wanted.onDelete
    ];
    const what = `${wanted.host}: the image ${image} of ${keyOf(wanted)}`;
    if (heir !== undefined) {
      context.log.info(context.urn, `${what} is the image of ${heir.key} now`);
      return;
    }
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
