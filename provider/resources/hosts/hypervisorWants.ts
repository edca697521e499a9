/** The wants of stacks on a host, and the conflicts between them. Pure. */
import { isIPv4 } from "node:net";
import { z } from "zod";
import { absolutePath, name } from "../shared/fields";

const volumeWants = z
  .object({
    image: absolutePath.describe("The image's path on the host."),
    sizeMiB: z.int().min(0).describe("Size in MiB."),
  })
  .meta({ id: "VolumeWants" });

export const vmWants = z
  .object({
    name: name.describe("Name of the VM."),
    memoryMiB: z.int().min(0).describe("Memory of the guest."),
    ip: z
      .string()
      .refine((text) => text === "" || isIPv4(text), "must be an IPv4 address, or empty")
      .default("")
      .describe("Address of the guest."),
    mac: z
      .string()
      .regex(/^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$/, "must be a MAC address, or empty")
      .default("")
      .describe("MAC address of its network card."),
    vsockCid: z.int().min(3).optional().describe("Its vsock CID. Default: none."),
    volumes: z.array(volumeWants).default([]).describe("Images of its volumes on the host."),
  })
  .meta({ id: "VmWants" });
export type VmWants = z.infer<typeof vmWants>;

/** The wants of one stack on a host. */
export interface StackWants {
  urn: string;
  vms: readonly VmWants[];
}

/** Sorted by name, so that equal wants give equal records. */
export function sorted(vms: readonly VmWants[]): VmWants[] {
  const by = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return vms
    .map((vm) => ({ ...vm, volumes: [...vm.volumes].sort((a, b) => by(a.image, b.image)) }))
    .sort((a, b) => by(a.name, b.name));
}

/** `urn:pulumi:STACK::PROJECT::` of a URN: how all URNs of its stack begin. */
export function stackPrefix(urn: string): string {
  return /^urn:pulumi:[^:]*::[^:]*::/.exec(urn)?.[0] ?? urn;
}

/** The stack of a URN, for messages. */
export function describeStack(urn: string): string {
  const [, stack, project] = /^urn:pulumi:([^:]*)::([^:]*)::/.exec(urn) ?? [];
  return stack === undefined ? urn : `stack ${stack} of project ${project ?? ""}`;
}

/**
 * Everything that a VM of this stack and a VM of another stack both use, one line each. A name is
 * unique on a host. Addresses and MACs are unique on its bridge.
 */
export function conflicts(own: readonly VmWants[], others: readonly StackWants[]): string[] {
  return others.flatMap(({ urn, vms }) =>
    vms.flatMap((theirs) =>
      own.flatMap((vm) =>
        shared(vm, theirs).map(
          (what) => `VM ${vm.name}: ${what} is used by VM ${theirs.name} of ${describeStack(urn)}`,
        ),
      ),
    ),
  );
}

function shared(vm: VmWants, theirs: VmWants): string[] {
  const images = new Set(theirs.volumes.map(({ image }) => image));
  return [
    ...(vm.name === theirs.name ? [`its name`] : []),
    ...(vm.ip !== "" && vm.ip === theirs.ip ? [`its address ${vm.ip}`] : []),
    ...(vm.mac !== "" && vm.mac.toLowerCase() === theirs.mac.toLowerCase()
      ? [`its MAC ${vm.mac}`]
      : []),
    ...(vm.vsockCid !== undefined && vm.vsockCid === theirs.vsockCid
      ? [`its vsock CID ${vm.vsockCid}`]
      : []),
    ...vm.volumes.filter(({ image }) => images.has(image)).map(({ image }) => `image ${image}`),
  ];
}
