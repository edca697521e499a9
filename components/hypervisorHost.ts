/** A hypervisor of the site: its system where that is ours, then its checks, with what all of its VMs want together. */
import * as pulumi from "./pulumi";
import type { HypervisorModel, SshEndpoint, SystemModel, VmModel } from "../site/model";
import type { HypervisorSystem } from "./evaluation/evaluate";
import { Hypervisor, NixosSystem } from "./resources";

export interface HypervisorHostArgs {
  hypervisor: HypervisorModel;
  /** The VMs that run on it. */
  vms: VmModel[];
  /** The derivations of their runners. */
  runners: string[];
  /** What the flake builds for it, where its system is ours. */
  system?: HypervisorSystem | undefined;
}

export class HypervisorHost extends pulumi.ComponentResource {
  /** Depends on the checks: nothing is made on a host that is not fit. */
  readonly machineId: pulumi.Output<string>;
  readonly checks: Hypervisor;

  constructor(name: string, args: HypervisorHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:HypervisorHost", name, {}, opts);
    const { hypervisor, vms } = args;
    const system =
      args.system && hypervisor.system && this.system(args, args.system, hypervisor.system);
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
        // What NixosSystem is given, and not what it answers: a preview knows that.
        system: args.system?.toplevel.outPath,
        checks: hypervisor.checks,
      },
      { parent: this, ...(system && { dependsOn: system }) },
    );
    this.machineId = this.checks.machineId;
    this.registerOutputs({ machineId: this.machineId });
  }

  private system(
    { hypervisor, vms, runners }: HypervisorHostArgs,
    { toplevel, packages, bootHash }: HypervisorSystem,
    system: SystemModel,
  ): NixosSystem {
    return new NixosSystem(
      hypervisor.name,
      {
        host: hypervisor.name,
        drvPath: toplevel.drvPath,
        toplevel: toplevel.outPath,
        build: hypervisor.build,
        ...system,
        stopOrder: stopOrder(vms),
        vmDerivations: runners,
        packages,
        bootHash,
      },
      { parent: this },
    );
  }
}

/** Workers first, then what is also or only a controller: what others need goes last. */
function stopOrder(vms: VmModel[]): string[] {
  const rank = ({ role }: VmModel): number =>
    role === "controller" ? 2 : role === "controller+worker" ? 1 : 0;
  return [...vms].sort((a, b) => rank(a) - rank(b)).map((vm) => vm.name);
}

/** `root@192.0.2.11:22 ssh-ed25519 AAAA...`, then the jump hosts: what a reviewer wants to see change. */
function describeEndpoint({ user, address, port, hostKey, jump }: SshEndpoint): string {
  const here = `${user}@${address}:${port} ${hostKey}`;
  return jump === undefined ? here : `${here} via ${describeEndpoint(jump)}`;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
