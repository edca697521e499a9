/** The resources by token. The provider dispatches all calls by this table. */
import { bind } from "../lifecycle";
import type { BoundResource } from "../resource";
import { k0sCluster } from "./cluster/k0sCluster";
import { k0sNode } from "./cluster/k0sNode";
import { clusterApi } from "./gitops/clusterApi";
import { fluxControllers } from "./gitops/fluxControllers";
import { fluxHandOver } from "./gitops/fluxHandOver";
import { gitSeed } from "./gitops/gitSeed";
import { seed } from "./gitops/seed";
import { hypervisor } from "./hosts/hypervisor";
import { microVm } from "./machines/microVm";
import { nixClosure } from "./machines/nixClosure";
import { nixosSystem } from "./hosts/nixosSystem";
import { volume } from "./machines/volume";

export const PACKAGE = "microvm";

const ALL = [
  bind(hypervisor),
  bind(nixosSystem),
  bind(volume),
  bind(nixClosure),
  bind(microVm),
  bind(k0sCluster),
  bind(k0sNode),
  bind(clusterApi),
  bind(gitSeed),
  bind(fluxControllers),
  bind(fluxHandOver),
  bind(seed),
];

/** `microvm:index:MicroVm` -> the resource. */
export const RESOURCES: ReadonlyMap<string, BoundResource> = new Map(
  ALL.map((resource) => [`${PACKAGE}:index:${resource.type}`, resource]),
);
