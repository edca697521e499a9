/**
 * The site of the bench: any number of VMs on the lab's hosts, with one small volume each. Pure.
 */
import { stringify } from "yaml";
import { MOST_VMS_PER_HOST } from "./options";

/** A host of the lab, as its site file describes it. */
export interface SiteHost {
  name: string;
  address: string;
  hostKey: string;
}

/** The number of VMs of a host that start at once. */
export const PARALLELISM = 4;

/**
 * The network is twice as large as the lab's, because 300 VMs need more addresses. The lab does not
 * route the second half, so the VMs there cannot run.
 */
const PREFIX_LENGTH = 23;
const FIRST_ADDRESS = 100;
const MEMORY_MIB = 64;
const VOLUME_MIB = 8;
const WORKER_DISK_MIB = 64;

/** `v007`. The names do not depend on the number of VMs, so a larger site only adds VMs. */
const nameOf = (index: number): string => `v${String(index + 1).padStart(3, "0")}`;

/** The address of the VM with this index, in the network of the host with this address. */
function addressOf(host: string, index: number): string {
  const [first = "", second = "", third = ""] = host.split(".");
  const number = FIRST_ADDRESS + index;
  return [first, second, Number(third) + Math.floor(number / 256), number % 256].join(".");
}

function macOf(index: number): string {
  const digits = index.toString(16).padStart(4, "0");
  return `02:00:00:01:${digits.slice(0, 2)}:${digits.slice(2)}`;
}

/** The YAML of a site with `count` VMs, alternating between the hosts. The first `running` run. */
export function benchSite(
  count: number,
  hosts: readonly SiteHost[],
  flake: string,
  running = 0,
): string {
  const network = hosts[0]?.address ?? "";
  const vms = Array.from({ length: count }, (_, index): [string, object] => [
    nameOf(index),
    {
      hypervisor: hosts[index % hosts.length]?.name,
      profile: "small",
      ip: addressOf(network, index),
      mac: macOf(index),
      running: index < running,
    },
  ]);
  return stringify({
    flake,
    profiles: {
      small: {
        vcpu: 1,
        memory: `${MEMORY_MIB}MiB`,
        volumes: {
          var: { size: `${VOLUME_MIB}MiB`, mountPoint: "/var/lib/data", onDelete: "delete" },
        },
      },
    },
    hypervisors: hypervisorsOf(hosts, VOLUME_MIB * MOST_VMS_PER_HOST),
    vms: Object.fromEntries(vms),
  });
}

export interface ClusterShape {
  controllers: number;
  workers: number;
}

const CONTROLLER_DISK_MIB = 512;

/** Where a site with a cluster is, and who may log in to its guests. */
export interface ClusterPlace {
  hosts: readonly SiteHost[];
  flake: string;
  operatorKey: string;
}

/** The YAML of a site with a cluster: c1, c2, ... and w001, w002, ..., on the hosts in turn. */
export function clusterSite(
  { controllers, workers }: ClusterShape,
  { hosts, flake, operatorKey }: ClusterPlace,
): string {
  const network = hosts[0]?.address ?? "";
  const vms = Array.from({ length: controllers + workers }, (_, index): [string, object] => {
    const isController = index < controllers;
    const name = isController ? `c${index + 1}` : nameOf(index - controllers).replace("v", "w");
    const role = isController ? "controller" : "worker";
    const hypervisor = hosts[index % hosts.length]?.name;
    const [ip, mac] = [addressOf(network, index), macOf(index)];
    return [name, { hypervisor, profile: role, role, ip, mac }];
  });
  const profile = (memory: number, disk: number): object => ({
    vcpu: 1,
    memory: `${memory}MiB`,
    volumes: { var: { size: `${disk}MiB`, mountPoint: "/var", onDelete: "delete" } },
  });
  return stringify({
    flake,
    ssh: { operatorKeys: [operatorKey] },
    cluster: {
      name: "bench",
      k0sVersion: "1.36",
      api: { endpoint: addressOf(network, 0) },
    },
    profiles: {
      controller: profile(4 * MEMORY_MIB, CONTROLLER_DISK_MIB),
      worker: profile(MEMORY_MIB, WORKER_DISK_MIB),
    },
    hypervisors: hypervisorsOf(
      hosts,
      CONTROLLER_DISK_MIB * controllers + WORKER_DISK_MIB * workers,
    ),
    vms: Object.fromEntries(vms),
  });
}

function hypervisorsOf(hosts: readonly SiteHost[], diskMiB: number): object {
  return Object.fromEntries(
    hosts.map(({ name, address, hostKey }) => [
      name,
      {
        address,
        ssh: { hostKey },
        nic: "eno1",
        hostIp: `${address}/${PREFIX_LENGTH}`,
        memory: `${MEMORY_MIB * MOST_VMS_PER_HOST}MiB`,
        disk: `${diskMiB}MiB`,
        parallelism: PARALLELISM,
        checks: { kvm: "warn" },
      },
    ]),
  );
}
