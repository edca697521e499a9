/** A hypervisor of the site: its checks, with what all of its VMs want together. */
import * as pulumi from "@pulumi/pulumi";
import type { HypervisorModel, SshEndpoint, VmModel } from "../site/model";
import { Hypervisor } from "./resources";

export interface HypervisorHostArgs {
  hypervisor: HypervisorModel;
  /** The VMs that run on it. */
  vms: VmModel[];
}

export class HypervisorHost extends pulumi.ComponentResource {
  /** Depends on the checks: nothing is made on a host that is not fit. */
  readonly machineId: pulumi.Output<string>;
  readonly checks: Hypervisor;

  constructor(name: string, args: HypervisorHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:HypervisorHost", name, {}, opts);
    const { hypervisor, vms } = args;
    const volumes = vms.flatMap((vm) => vm.volumes);
    this.checks = new Hypervisor(
      name,
      {
        host: hypervisor.name,
        endpoint: describeEndpoint(hypervisor.endpoint),
        bridge: hypervisor.bridge,
        nic: hypervisor.nic,
        memoryMiB: sum(vms.map((vm) => vm.memoryMiB)),
        diskMiB: sum(volumes.map((volume) => volume.sizeMiB)),
        images: volumes.map((volume) => volume.image).sort(),
        checks: hypervisor.checks,
      },
      { parent: this },
    );
    this.machineId = this.checks.machineId;
    this.registerOutputs({ machineId: this.machineId });
  }
}

/** `root@192.0.2.11:22 ssh-ed25519 AAAA...`, then the jump hosts: what a reviewer wants to see change. */
function describeEndpoint({ user, address, port, hostKey, jump }: SshEndpoint): string {
  const here = `${user}@${address}:${port} ${hostKey}`;
  return jump === undefined ? here : `${here} via ${describeEndpoint(jump)}`;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
