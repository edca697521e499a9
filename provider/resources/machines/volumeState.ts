/** The inputs and the observed state of `Volume`. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { parseRecord } from "../../hosts/facts/record";
import type { OwnershipRecord } from "../../hosts/facts/record";
import type { HostFacts, ImageFact } from "../../hosts/facts/hostFacts";
import { isStopped } from "../../hosts/facts/vmFacts";
import { printable } from "../../hosts/transport/printable";
import { RENAMED, ownership, stackOf } from "../../ownership";
import type { Owner } from "../../ownership";
import { absolutePath, host, machineId, name, renamedFrom } from "../shared/fields";
import { keyOnHost } from "../shared/renamed";
import { pathUnder } from "./vmRename";

export const BYTES_PER_MIB = 1024 * 1024;

export const inputs = z.object({
  host,
  renamedFrom,
  machineId,
  vm: name.describe("The VM that uses the volume."),
  name,
  image: absolutePath.describe("The image's path on the host."),
  sizeMiB: z
    .int()
    .min(1)
    .describe("Size in MiB. Grows, while its VM runs if that is QEMU; never shrinks."),
  fsType: z
    .enum(["ext4", "none"])
    .meta({ id: "FileSystemType" })
    .default("ext4")
    .describe("none is a raw device."),
  label: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,16}$/, "must be at most 16 letters, digits, '.', '_' or '-'")
    .describe("File system label. Empty only for an imported image that has none."),
  onDelete: z
    .enum(["retain", "trash", "delete"])
    .meta({ id: "OnDelete" })
    .default("retain")
    .describe("On removal the image is kept (default), moved to the trash, or deleted."),
  address: z
    .string()
    .refine((text) => isIPv4(text), "must be an IPv4 address")
    .optional()
    .describe("The guest's address: a mounted file system is grown by logging in there."),
});
export type Inputs = z.infer<typeof inputs>;

/** Verdicts about the content of an image. Those with details contain a colon. */
export const AS_STATED = "as stated";
export const NO_LABEL = "no label";
export const NO_FILE_SYSTEM = "no file system";
export const ANOTHER_FILE_SYSTEM = "another file system: ";
export const ANOTHER_LABEL = "another label: ";
export const TRUNCATED = "truncated: it had ";

export const outputs = z.object({
  sizeMiB: z.number(),
  status: z
    .string()
    .describe(
      "ready; missing: was created and is gone; creating, growing, trashing, deleting: " +
        "interrupted; held: interrupted work still holds its VM; retained; unrecorded.",
    ),
  ownership: z.string().describe("owned, renamed, altered, missing or `owned by URN`."),
  content: z
    .string()
    .default(AS_STATED)
    .describe(
      "The content of the image: `as stated`, `no label`, `no file system`, " +
        "`another file system: TYPE`, `another label: LABEL`, or `truncated: it had N MiB`.",
    ),
});
export type State = z.infer<typeof outputs>;

export const keyOf = (wanted: Inputs): string => `${wanted.vm}.${wanted.name}`;

/** Not created yet, or its removal was interrupted. The script handles both. */
const WITHOUT_IMAGE = ["creating", "trashing", "deleting"];

/** Key, VM and image of a volume on a host. */
type Place = Pick<Inputs, "vm" | "image"> & { key: string };

/** Where the volume is: its VM may still have its former name, or have got another one already. */
export function placeOf(facts: HostFacts, wanted: Inputs, owner: Owner): Place {
  const { renamedFrom } = wanted;
  const former = renamedFrom === undefined ? undefined : `${renamedFrom}.${wanted.name}`;
  const key = keyOnHost(facts, "volumes", keyOf(wanted), former, owner);
  const vm = key.slice(0, key.indexOf("."));
  return { key, vm, image: pathUnder(wanted.image, wanted.vm, vm) };
}

/** A volume that had this image before, under another name. */
export interface FormerVolume {
  key: string;
  record: OwnershipRecord;
  /** Where the image is now: its VM may still have its former name. */
  image: string;
}

/**
 * The record of another volume of the same VM and stack that names the image, if the volume itself
 * has no record. The other one has left the site: no two volumes of a site have one image.
 */
export function formerVolume(
  facts: HostFacts,
  wanted: Inputs,
  owner: Owner,
): FormerVolume | undefined {
  const { vm, image, renamedFrom } = wanted;
  if (facts.records.has(`volumes/${placeOf(facts, wanted, owner).key}`)) return undefined;
  const vms = renamedFrom === undefined ? [vm] : [vm, renamedFrom];
  return vms
    .flatMap((one) => volumesOf(facts, one).map((name) => ({ one, key: `${one}.${name}` })))
    .flatMap(({ one, key }): FormerVolume[] => {
      const record = parseRecord(facts.records.get(`volumes/${key}`));
      const there = pathUnder(image, vm, one);
      if (typeof record !== "object" || record.image !== there) return [];
      const isOurs = stackOf(record.urn) === stackOf(owner.urn);
      return isOurs && facts.images.has(there) ? [{ key, record, image: there }] : [];
    })
    .at(0);
}

export function stateOf(facts: HostFacts, wanted: Inputs, owner: Owner): State | undefined {
  const { key, vm, image: path } = placeOf(facts, wanted, owner);
  const text = facts.records.get(`volumes/${key}`);
  const former = formerVolume(facts, wanted, owner);
  // In a rename the directory moves before the records.
  const image =
    facts.images.get(path) ??
    facts.images.get(wanted.image) ??
    facts.images.get(former?.image ?? "");
  if (text === undefined && image === undefined) return undefined;
  const parsed = parseRecord(text);
  const record = typeof parsed === "object" ? parsed : former?.record;
  const phase = record === undefined ? "unrecorded" : (record.phase ?? "ready");
  return {
    sizeMiB: image === undefined ? 0 : image.sizeBytes / BYTES_PER_MIB,
    status: statusOf(phase, image !== undefined, facts.held.has(key)),
    ownership: former === undefined ? ownership(text, owner) : RENAMED,
    content:
      image === undefined
        ? AS_STATED
        : verdict(image, wanted, record?.bytes, isStopped(facts.vms.get(vm))),
  };
}

/** The names of a VM's recorded volumes on a host. */
export function volumesOf(facts: HostFacts, vm: string): string[] {
  const prefix = `volumes/${vm}.`;
  return [...facts.records.keys()].flatMap((key) =>
    key.startsWith(prefix) ? [key.slice(prefix.length)] : [],
  );
}

function statusOf(phase: string, hasImage: boolean, isHeld: boolean): string {
  if (!hasImage && !WITHOUT_IMAGE.includes(phase)) return "missing";
  return phase === "ready" && isHeld ? "held" : phase;
}

/** `hadBytes`: the recorded size of the last complete image. */
export function verdict(
  { sizeBytes, content }: ImageFact,
  { fsType, label }: Pick<Inputs, "fsType" | "label">,
  hadBytes = 0,
  isStopped = true,
): string {
  if (sizeBytes < hadBytes) return `${TRUNCATED}${hadBytes / BYTES_PER_MIB} MiB`;
  if (fsType === "none" || content === undefined) return AS_STATED;
  // A guest may be writing its superblock, so nothing is known, and that is not a fault.
  if (content.fsType === "") return isStopped ? NO_FILE_SYSTEM : AS_STATED;
  if (content.fsType !== fsType) return `${ANOTHER_FILE_SYSTEM}${content.fsType}`;
  if (content.label === label) return AS_STATED;
  return content.label === "" ? NO_LABEL : `${ANOTHER_LABEL}${printable(content.label)}`;
}
