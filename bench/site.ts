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
    hypervisors: Object.fromEntries(
      hosts.map(({ name, address, hostKey }) => [
        name,
        {
          address,
          ssh: { hostKey },
          nic: "eno1",
          hostIp: `${address}/${PREFIX_LENGTH}`,
          memory: `${MEMORY_MIB * MOST_VMS_PER_HOST}MiB`,
          disk: `${VOLUME_MIB * MOST_VMS_PER_HOST}MiB`,
          parallelism: PARALLELISM,
          checks: { kvm: "warn" },
        },
      ]),
    ),
    vms: Object.fromEntries(vms),
  });
}
