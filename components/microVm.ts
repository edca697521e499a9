/** A VM of the site: its volumes and its closure, then the VM itself. */
import * as pulumi from "./pulumi";
import type { HypervisorModel, VmModel, VolumeModel } from "../site/model";
import type { Machine } from "./evaluation/evaluate";
import type { HypervisorHost } from "./hypervisorHost";
import { MicroVmResource, NixClosure, Volume } from "./resources";

export interface MicroVmArgs {
  vm: VmModel;
  hypervisor: HypervisorModel;
  host: HypervisorHost;
  machine: Machine;
  /** When the VM itself may be touched. */
  ready: Promise<void>;
}

/** What a stack tells about each VM. */
export interface VmOutput {
  address: string;
  hypervisor: string;
  running: boolean;
  /** Store path of the installed runner. */
  runner: string;
  /** The VM runs another system, or other hardware, than what is installed for it. */
  stale: boolean;
  /** The guest's public SSH host key, for known_hosts. */
  guestHostKey: string;
}

export class MicroVm extends pulumi.ComponentResource {
  readonly output: pulumi.Output<VmOutput>;
  readonly closure: NixClosure;

  constructor(name: string, args: MicroVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:MicroVm", name, {}, opts);
    const volumes = this.volumes(args);
    this.closure = this.makeClosure(args);
    const vm = this.vm(
      args,
      args.ready.then(() => [...volumes, this.closure]),
    );
    this.output = pulumi
      .all([vm.running, vm.runner, vm.stale, vm.guestHostKey])
      .apply(([running, runner, stale, guestHostKey]) => ({
        address: args.vm.ip,
        hypervisor: args.hypervisor.name,
        running,
        runner,
        stale,
        guestHostKey,
      }));
    this.registerOutputs({ output: this.output });
  }

  private volumes({ vm, host }: MicroVmArgs): Volume[] {
    return vm.volumes.map(
      (volume) =>
        new Volume(
          `${vm.name}-${volume.name}`,
          {
            host: vm.hypervisor,
            machineId: host.machineId,
            vm: vm.name,
            name: volume.name,
            image: volume.image,
            sizeMiB: volume.sizeMiB,
            fsType: volume.fsType,
            label: volume.label,
            onDelete: volume.onDelete,
            address: vm.ip,
          },
          {
            parent: this,
            dependsOn: host.checks,
            ...asItIs(vm, volumeId(vm, volume), ["sizeMiB", "label"]),
          },
        ),
    );
  }

  private makeClosure({ vm, hypervisor, host, machine }: MicroVmArgs): NixClosure {
    const { runner, toplevel, closureInfo, packages } = machine;
    return new NixClosure(
      vm.name,
      {
        host: vm.hypervisor,
        machineId: host.machineId,
        name: vm.name,
        roots: { runner, toplevel, closureInfo },
        build: hypervisor.build,
        packages,
      },
      { parent: this, dependsOn: host.checks },
    );
  }

  private vm(
    { vm, host, machine }: MicroVmArgs,
    dependsOn: Promise<pulumi.Resource[]>,
  ): MicroVmResource {
    const timeout = `${vm.startTimeoutSeconds}s`;
    return new MicroVmResource(
      vm.name,
      {
        host: vm.hypervisor,
        machineId: host.machineId,
        name: vm.name,
        runner: machine.runner.outPath,
        toplevel: machine.toplevel.outPath,
        address: vm.ip,
        running: vm.running,
        restart: vm.restart,
        memoryTargetMiB: vm.memoryTargetMiB,
        hardware: machine.hardware,
        closureInfo: machine.closureInfo.outPath,
        liveSwitch: machine.liveSwitch,
        updatePolicy: vm.updatePolicy,
      },
      {
        parent: this,
        dependsOn,
        customTimeouts: { create: timeout, update: timeout },
        ...asItIs(vm, `${vm.hypervisor}/${vm.name}`, [
          "runner",
          "toplevel",
          "hardware",
          "running",
          "restart",
          "memoryTargetMiB",
        ]),
      },
    );
  }
}

/** The id under which the provider knows a volume. */
export function volumeId(
  vm: Pick<VmModel, "hypervisor" | "name">,
  volume: Pick<VolumeModel, "name" | "image">,
): string {
  const id = `${vm.hypervisor}/${vm.name}.${volume.name}`;
  const usual = `/var/lib/microvms/${vm.name}/${volume.name}.img`;
  return volume.image === usual ? id : `${id}=${volume.image}`;
}

/** `import: true`: what is there becomes ours, and nothing that would touch its VM is changed. */
function asItIs(
  vm: VmModel,
  id: string,
  ignoreChanges: string[],
): Pick<pulumi.CustomResourceOptions, "import" | "ignoreChanges"> {
  return vm.import ? { import: id, ignoreChanges } : {};
}
