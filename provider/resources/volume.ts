/** `Volume`: the image of a disk. Made once, grown in place; never shrunk, formatted again or replaced. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { PartialFailure, ProviderError, asError } from "../errors";
import { parseRecord } from "../hosts/facts";
import type { HostFacts } from "../hosts/facts";
import type { ImageContent } from "../hosts/host";
import { openRecord, ownership, refuseOthers } from "../ownership";
import type { Context, InputFault, Resource } from "../resource";
import { UNKNOWN, toMap } from "../wire";
import { absolutePath, host, machineId, name, notAnId, requireMachine, splitId } from "./fields";
import { growInGuest } from "./guestVolume";

const BYTES_PER_MIB = 1024 * 1024;

const inputs = z.object({
  host,
  machineId,
  vm: name.describe("The VM that uses the volume."),
  name,
  image: absolutePath.describe("The image's path on the host."),
  sizeMiB: z
    .int()
    .min(1)
    .describe("Size in MiB. Grows, while its VM runs if that is QEMU; never shrinks."),
  fsType: z.enum(["ext4", "none"]).default("ext4").describe("none is a raw device."),
  label: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,16}$/, "must be at most 16 letters, digits, '.', '_' or '-'")
    .describe("File system label. Empty only for an imported image that has none."),
  onDelete: z
    .enum(["retain", "trash", "delete"])
    .default("retain")
    .describe("What becomes of the image: kept (default), moved to the trash, or deleted."),
  address: z
    .string()
    .refine((text) => isIPv4(text), "must be an IPv4 address")
    .optional()
    .describe("The guest's address: a mounted file system is grown by logging in there."),
});
type Inputs = z.infer<typeof inputs>;

const outputs = z.object({
  sizeMiB: z.number(),
  status: z
    .string()
    .describe(
      "ready; missing: was made and is gone; creating, growing, trashing, deleting: interrupted; retained; unrecorded.",
    ),
  ownership: z.string().describe("owned, altered, missing or `owned by URN`."),
});
type State = z.infer<typeof outputs>;

const NEVER = "A volume is never replaced: add another one, move the data, then remove this one.";

/** Where microvm.nix looks for an image that is stated as `NAME.img`. */
const defaultImage = (vm: string, volumeName: string): string =>
  `/var/lib/microvms/${vm}/${volumeName}.img`;

const keyOf = (wanted: Inputs): string => `${wanted.vm}.${wanted.name}`;

/** Not made yet, or in a removal that was interrupted: the script on the host knows what to do. */
const WITHOUT_IMAGE = ["creating", "trashing", "deleting"];

function stateOf(facts: HostFacts, wanted: Inputs, urn: string): State | undefined {
  const text = facts.records.get(`volumes/${keyOf(wanted)}`);
  const image = facts.images.get(wanted.image);
  if (text === undefined && image === undefined) return undefined;
  const record = parseRecord(text);
  const phase = typeof record === "object" ? (record.phase ?? "ready") : "unrecorded";
  return {
    sizeMiB: image === undefined ? 0 : image.sizeBytes / BYTES_PER_MIB,
    status: image === undefined && !WITHOUT_IMAGE.includes(phase) ? "missing" : phase,
    ownership: ownership(text, urn),
  };
}

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

/** What the script on the host refuses too; here it shows in a preview. */
function refuse(
  _: Context,
  wanted: Inputs,
  observed: State | undefined,
  recorded: State | undefined,
): void {
  if (observed === undefined) return;
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

export const volume: Resource<Inputs, State> = {
  type: "Volume",
  description:
    "The image of a VM's disk. Created with its file system, grown in place; never " +
    "shrunk, never formatted again, never replaced. By default it stays when it is removed from the site.",
  inputs,
  outputs,
  timeoutSeconds: 600,
  immutable: {
    host: NEVER,
    machineId: "This is another machine.",
    vm: NEVER,
    name: NEVER,
    image: NEVER,
    fsType: NEVER,
  },
  incidental: ["address"],
  mirrored: ["sizeMiB"],
  id: (wanted) =>
    wanted.image === defaultImage(wanted.vm, wanted.name)
      ? `${wanted.host}/${keyOf(wanted)}`
      : `${wanted.host}/${keyOf(wanted)}=${wanted.image}`,

  check(wanted, previous) {
    if (previous === undefined) return [];
    const faults: InputFault[] = [];
    if (wanted.sizeMiB < previous.sizeMiB) {
      const reason = `${previous.sizeMiB} MiB can't become ${wanted.sizeMiB} MiB: a volume never shrinks. Add a smaller one, move the data, then remove this one.`;
      faults.push({ property: "sizeMiB", reason });
    }
    if (previous.label !== "" && wanted.label !== previous.label) {
      faults.push({ property: "label", reason: `can't be changed. ${NEVER}` });
    }
    return faults;
  },

  drift(state) {
    return [
      ...(state.status === "ready" ? [] : ["status"]),
      ...(state.ownership === "owned" ? [] : ["ownership"]),
    ];
  },

  predict: (wanted, state) => ({
    ...(state && toMap(state)),
    sizeMiB: wanted.sizeMiB,
    status: UNKNOWN,
    ownership: UNKNOWN,
  }),

  async observe(context, wanted) {
    const facts = await context.pool.get(wanted.host).read(context);
    requireMachine(facts, wanted.host, wanted.machineId);
    return stateOf(facts, wanted, context.urn);
  },

  refuse,

  owned: (state) => state.ownership === "owned",

  async converge(context, wanted, _observed, recorded) {
    const host = context.pool.get(wanted.host);
    const { machineId } = wanted;
    const parameters = parametersOf(wanted, context.urn, recorded);
    const apply = { scripts: ["vmm", "volume", "volume-apply"], machineId, parameters };
    let facts = await host.operate(context, apply);
    const state = stateOf(facts, wanted, context.urn);
    if (state === undefined) {
      throw new ProviderError("operation", `${wanted.host}: volume ${keyOf(wanted)} was not made`);
    }
    if (state.status !== "growing") return state;
    try {
      await growInGuest(host, context, facts.vms.get(wanted.vm)?.hostKey, wanted);
      facts = await host.operate(context, {
        scripts: ["volume", "volume-grown"],
        machineId,
        parameters,
      });
    } catch (error) {
      throw new PartialFailure(state, asError(error));
    }
    return stateOf(facts, wanted, context.urn) ?? state;
  },

  async remove(context, wanted, recorded) {
    await context.pool.get(wanted.host).operate(context, {
      scripts: ["vmm", "volume", "volume-remove"],
      machineId: wanted.machineId,
      parameters: parametersOf(wanted, context.urn, recorded),
    });
  },

  async find(context, id) {
    const { host: hostName, rest } = splitId(id, ID_SHAPE);
    const [, vm = "", volumeName = "", path] = /^([^.=]+)\.([^.=]+)(?:=(.+))?$/.exec(rest) ?? [];
    if (vm === "") throw notAnId(id, ID_SHAPE);
    const image = path ?? defaultImage(vm, volumeName);
    const facts = await context.pool.get(hostName).read(context);
    const found = await context.pool.get(hostName).image(context, image);
    if (found === undefined) return undefined;
    const wanted = inputs.parse({
      host: hostName,
      machineId: facts.machineId,
      vm,
      name: volumeName,
      image,
      ...stated(found, id),
    });
    const text = facts.records.get(`volumes/${keyOf(wanted)}`);
    const state = { status: "unrecorded", ownership: ownership(text, context.urn) };
    return { inputs: wanted, state: { sizeMiB: wanted.sizeMiB, ...state } };
  },
};
