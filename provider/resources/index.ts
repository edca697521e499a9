/** The whole dispatch: token -> resource. */
import { bind } from "../lifecycle";
import type { BoundResource } from "../lifecycle";
import { hypervisor } from "./hypervisor";
import { microVm } from "./microVm";
import { nixClosure } from "./nixClosure";
import { nixosSystem } from "./nixosSystem";
import { volume } from "./volume";

export const PACKAGE = "microvm";

const ALL = [bind(hypervisor), bind(nixosSystem), bind(volume), bind(nixClosure), bind(microVm)];

/** `microvm:index:MicroVm` -> the resource. */
export const RESOURCES: ReadonlyMap<string, BoundResource> = new Map(
  ALL.map((resource) => [`${PACKAGE}:index:${resource.type}`, resource]),
);
