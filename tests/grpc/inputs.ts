/** Inputs of one resource of each kind, as a program sets them, for the host of scriptedHost.ts. */
import { Secret } from "../../provider/wire";
import type { ValueMap } from "../../provider/wire";
import { MACHINE_ID } from "./scriptedHost";

export const storePath = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;

export const hypervisor = { host: "hv1", bridge: "br0", nic: "eno1" };

export const volume = {
  host: "hv1",
  machineId: MACHINE_ID,
  vm: "kc1",
  name: "var",
  image: "/var/lib/microvms/kc1/var.img",
  sizeMiB: 64,
  fsType: "ext4",
  label: "kc1-var",
  onDelete: "retain",
};

export const vm = {
  host: "hv1",
  machineId: MACHINE_ID,
  name: "kc1",
  runner: storePath("runner"),
  toplevel: storePath("system"),
  address: "198.18.0.21",
  running: true,
  restart: "",
};

export const closure = {
  host: "hv1",
  machineId: MACHINE_ID,
  name: "kc1",
  roots: {
    runner: { drvPath: storePath("runner.drv"), outPath: storePath("runner") },
    toplevel: { drvPath: storePath("system.drv"), outPath: storePath("system") },
  },
  build: "operator",
};

/** The provider's configuration: hv1 is a scripted host with additional fields, and one key. */
export function configOf(
  { port, hostKey }: { port: number; hostKey: string },
  operator: { privateKey: string },
  more: object = {},
): ValueMap {
  const hv1 = { address: "127.0.0.1", port, user: "root", hostKey, ...more };
  const privateKey = new Secret(operator.privateKey);
  return { hosts: JSON.stringify({ hv1 }), agent: "false", privateKey };
}
