/** The bench's site: any number of stopped VMs over the lab's hosts, with one small volume each. Pure. */
import { stringify } from "yaml";
import { MOST_VMS } from "./options";

/** What a host of the lab is to its site file. */
export interface SiteHost {
  name: string;
  address: string;
  prefixLength: number;
  hostKey: string;
}

const FIRST_ADDRESS = 100;

/** `v007`: the same machine at each number of VMs, so that a larger site only adds. */
const nameOf = (number: number): string => `v${String(number).padStart(3, "0")}`;

/** The YAML of a site of `count` VMs; VM by VM the hosts take turns. */
export function benchSite(count: number, hosts: readonly SiteHost[], flake: string): string {
  const network = hosts[0]?.address.split(".").slice(0, 3).join(".") ?? "";
  const vms = Array.from({ length: count }, (_, index): [string, object] => [
    nameOf(index + 1),
    {
      hypervisor: hosts[index % hosts.length]?.name,
      profile: "small",
      ip: `${network}.${FIRST_ADDRESS + index}`,
      mac: `02:00:00:00:01:${index.toString(16).padStart(2, "0")}`,
      running: false,
    },
  ]);
  return stringify({
    flake,
    profiles: {
      small: {
        vcpu: 1,
        memory: "64MiB",
        volumes: { var: { size: "8MiB", mountPoint: "/var/lib/data", onDelete: "delete" } },
      },
    },
    hypervisors: Object.fromEntries(
      hosts.map(({ name, address, prefixLength, hostKey }) => [
        name,
        {
          address,
          ssh: { hostKey },
          nic: "eno1",
          hostIp: `${address}/${prefixLength}`,
          memory: `${64 * MOST_VMS}MiB`,
          disk: `${8 * MOST_VMS}MiB`,
          checks: { kvm: "warn" },
        },
      ]),
    ),
    vms: Object.fromEntries(vms),
  });
}
