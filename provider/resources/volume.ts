/** `Volume`: the image of a disk. Made once, grown in place; never shrunk, formatted again or replaced. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { PartialFailure, ProviderError, messageOf } from "../errors";
import { parseRecord } from "../hosts/facts";
import type { HostFacts } from "../hosts/facts";
import { openRecord, ownership } from "../ownership";
import type { Context, Resource } from "../resource";
import { UNKNOWN, toMap } from "../wire";
import { growInGuest } from "./guestVolume";
import { absolutePath, host, machineId, name, requireMachine } from "./fields";

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
    .regex(/^[A-Za-z0-9._-]{1,16}$/, "must be 1 to 16 letters, digits, '.', '_' or '-'")
    .describe("File system label."),
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
  /** `ready`; `missing`: was made and is gone; `creating`, `growing`: interrupted; `retained`. */
  status: z.string().describe("ready, missing, creating, growing, retained or unrecorded."),
  ownership: z.string().describe("owned, altered, missing or `owned by URN`."),
});
type State = z.infer<typeof outputs>;

const NEVER = "A volume is never replaced: add another one, move the data, then remove this one.";

const keyOf = (wanted: Inputs): string => `${wanted.vm}.${wanted.name}`;

function stateOf(facts: HostFacts, wanted: Inputs, urn: string): State | undefined {
  const text = facts.records.get(`volumes/${keyOf(wanted)}`);
  const image = facts.images.get(wanted.image);
  if (text === undefined && image === undefined) return undefined;
  const record = parseRecord(text);
  const phase = typeof record === "object" ? (record.phase ?? "ready") : "unrecorded";
  return {
    sizeMiB: image === undefined ? 0 : image.sizeBytes / BYTES_PER_MIB,
    status: image === undefined && phase !== "creating" ? "missing" : phase,
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
  if (observed.ownership.startsWith("owned by ")) {
    throw new ProviderError(
      "owned",
      `${what} belongs to ${observed.ownership.slice("owned by ".length)}`,
      "Remove it from that stack first, or give this one another name.",
    );
  }
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
      "Move it away, or give the volume another image path.",
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
    label: NEVER,
  },
  mirrored: ["sizeMiB"],
  id: (wanted) => `${wanted.host}/${keyOf(wanted)}`,

  check(wanted, previous) {
    if (previous === undefined || wanted.sizeMiB >= previous.sizeMiB) return [];
    const reason = `${previous.sizeMiB} MiB can't become ${wanted.sizeMiB} MiB: a volume never shrinks. Add a smaller one, move the data, then remove this one.`;
    return [{ property: "sizeMiB", reason }];
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

  async converge(context, wanted, _observed, recorded) {
    const host = context.pool.get(wanted.host);
    const { machineId } = wanted;
    const parameters = parametersOf(wanted, context.urn, recorded);
    const apply = { script: "volume-apply", uses: ["vmm"], machineId, parameters };
    let facts = await host.operate(context, apply);
    const state = stateOf(facts, wanted, context.urn);
    if (state === undefined) {
      throw new ProviderError("operation", `${wanted.host}: volume ${keyOf(wanted)} was not made`);
    }
    if (state.status !== "growing") return state;
    try {
      await growInGuest(host, context, facts.vms.get(wanted.vm)?.hostKey, wanted);
      facts = await host.operate(context, { script: "volume-grown", machineId, parameters });
    } catch (error) {
      throw new PartialFailure(state, error instanceof Error ? error : new Error(messageOf(error)));
    }
    return stateOf(facts, wanted, context.urn) ?? state;
  },

  async remove(context, wanted, recorded) {
    await context.pool.get(wanted.host).operate(context, {
      script: "volume-remove",
      uses: ["vmm"],
      machineId: wanted.machineId,
      parameters: parametersOf(wanted, context.urn, recorded),
    });
  },
};
