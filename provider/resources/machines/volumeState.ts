/** What `Volume` is given, and what it observes of an image. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { parseRecord } from "../../hosts/facts/record";
import type { HostFacts, ImageFact } from "../../hosts/facts/hostFacts";
import { printable } from "../../hosts/transport/printable";
import { ownership } from "../../ownership";
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

/** Verdicts on what an image holds; those with a name behind them have a colon. */
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
      "ready; missing: was made and is gone; creating, growing, trashing, deleting: interrupted; " +
        "held: its VM is still held back by interrupted work; retained; unrecorded.",
    ),
  ownership: z.string().describe("owned, renamed, altered, missing or `owned by URN`."),
  content: z
    .string()
    .default(AS_STATED)
    .describe(
      "What the image holds: `as stated`, `no label`, `no file system`, `another file system: TYPE`, `another label: LABEL`, or `truncated: it had N MiB`.",
    ),
});
export type State = z.infer<typeof outputs>;

export const keyOf = (wanted: Inputs): string => `${wanted.vm}.${wanted.name}`;

/** Not made yet, or in a removal that was interrupted: the script on the host knows what to do. */
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

export function stateOf(facts: HostFacts, wanted: Inputs, owner: Owner): State | undefined {
  const { key, vm, image: path } = placeOf(facts, wanted, owner);
  const text = facts.records.get(`volumes/${key}`);
  // In a rename the directory moves before the records.
  const image = facts.images.get(path) ?? facts.images.get(wanted.image);
  if (text === undefined && image === undefined) return undefined;
  const parsed = parseRecord(text);
  const record = typeof parsed === "object" ? parsed : undefined;
  const phase = record === undefined ? "unrecorded" : (record.phase ?? "ready");
  const isStopped = ["inactive", "failed"].includes(facts.vms.get(vm)?.active ?? "inactive");
  return {
    sizeMiB: image === undefined ? 0 : image.sizeBytes / BYTES_PER_MIB,
    status: statusOf(phase, image !== undefined, facts.held.has(key)),
    ownership: ownership(text, owner),
    content: image === undefined ? AS_STATED : verdict(image, wanted, record?.bytes, isStopped),
  };
}

/** The names of a VM's volumes that are recorded on a host. */
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

/** `hadBytes`: the size that the image had when it was whole last, where that is recorded. */
export function verdict(
  { sizeBytes, content }: ImageFact,
  { fsType, label }: Pick<Inputs, "fsType" | "label">,
  hadBytes = 0,
  isStopped = true,
): string {
  if (sizeBytes < hadBytes) return `${TRUNCATED}${hadBytes / BYTES_PER_MIB} MiB`;
  if (fsType === "none" || content === undefined) return AS_STATED;
  // A guest may be in the middle of writing its superblock: nothing is known then, and that is no fault.
  if (content.fsType === "") return isStopped ? NO_FILE_SYSTEM : AS_STATED;
  if (content.fsType !== fsType) return `${ANOTHER_FILE_SYSTEM}${content.fsType}`;
  if (content.label === label) return AS_STATED;
  return content.label === "" ? NO_LABEL : `${ANOTHER_LABEL}${printable(content.label)}`;
}
