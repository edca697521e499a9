/** Rook and its Ceph cluster. Nothing else waits for it. */
import type * as pulumi from "../../pulumi";
import { AddOn } from "./addOn";
import type { AddOnArgs } from "./addOn";

export interface RookCephArgs extends Pick<AddOnArgs, "cluster" | "seed" | "after"> {
  /** How many OSDs must be up. Absent: it is not checked. */
  osds?: number | undefined;
}

export class RookCeph extends AddOn {
  constructor({ osds, ...args }: RookCephArgs, opts?: pulumi.ComponentResourceOptions) {
    // The chart of the cluster names the CephCluster after its namespace.
    const namespace = args.seed.releases.at(-1)?.release.namespace;
    const isChecked = osds !== undefined && namespace !== undefined;
    const gate = isChecked && { gate: { cephCluster: { namespace, name: namespace, osds } } };
    super("RookCeph", { ...args, ...gate }, opts);
  }
}
