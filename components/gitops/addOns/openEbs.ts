/** OpenEBS: volumes in directories of their node, and the default StorageClass. */
import type * as pulumi from "../../pulumi";
import { AddOn } from "./addOn";
import type { AddOnArgs, Values } from "./addOn";

export type OpenEbsArgs = Pick<AddOnArgs, "cluster" | "seed" | "after">;

/** The chart's other engines, and what the chart installs beside them since 4.3. */
const VALUES: Values = {
  "localpv-provisioner": {
    hostpathClass: { isDefaultClass: true, basePath: "/var/openebs/local" },
  },
  engines: {
    local: { lvm: { enabled: false }, zfs: { enabled: false }, rawfile: { enabled: false } },
    replicated: { mayastor: { enabled: false } },
  },
  loki: { enabled: false },
  alloy: { enabled: false },
  minio: { enabled: false },
};

export class OpenEbs extends AddOn {
  constructor(args: OpenEbsArgs, opts?: pulumi.ComponentResourceOptions) {
    const more = { gate: { defaultStorageClass: true }, defaults: VALUES };
    super("OpenEbs", { ...args, ...more }, opts);
  }
}
