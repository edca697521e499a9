/** Parses ownership records of a host. Pure. */
import { z } from "zod";

const recordSchema = z.object({
  version: z.literal(1),
  urn: z.string(),
  digest: z.string(),
  phase: z.string().optional(),
  bytes: z.number().optional(),
  restart: z.string().optional(),
  onDelete: z.string().optional(),
  /** Of a VM: what nothing else may have beside it. Records of older versions lack them. */
  address: z.string().optional(),
  mac: z.string().optional(),
  vsockCid: z.string().optional(),
  /** Of a volume: the path of its image. */
  image: z.string().optional(),
  /** Of a cluster, on the hypervisor of the controller that founds it. */
  founder: z.string().optional(),
});
export type OwnershipRecord = z.infer<typeof recordSchema>;

/** A record. `undefined` if there is none, `"altered"` if it cannot be read. */
export function parseRecord(text: string | undefined): OwnershipRecord | "altered" | undefined {
  if (text === undefined) return undefined;
  try {
    const parsed = recordSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : "altered";
  } catch {
    return "altered";
  }
}
