/** A VM of the site: its volumes and its closure, then the VM itself. */
import * as pulumi from "./pulumi";
import type { HypervisorModel, VmModel, VolumeModel } from "../site/model";
import type { Machine } from "./evaluation/evaluate";
import type { HypervisorHost } from "./hypervisorHost";
import { aliasesOf, importOptions, timeouts } from "./options";
import { MicroVmResource, NixClosure, Volume } from "./resources";

export interface MicroVmArgs {
  vm: VmModel;
  hypervisor: HypervisorModel;
  host: HypervisorHost;
  machine: Machine;
  /** Resolves when the VM itself may be changed. */
  ready: Promise<void>;
}

/** What the stack's output `vms` has for each of them. */
export interface VmOutput {
  address: string;
  hypervisor: string;
  running: boolean;
  /** Store path of the installed runner. */
  runner: string;
  /** The running system or hardware is not the installed one. */
  stale: boolean;
  /** The guest's public SSH host key, for known_hosts. */
  guestHostKey: string;
}

export class MicroVm extends pulumi.ComponentResource {
  readonly output: pulumi.Output<VmOutput>;
  readonly closure: NixClosure;

  constructor(name: string, args: MicroVmArgs, opts?: pulumi.ComponentResourceOptions) {
    const aliases = aliasesOf(args.vm.renamedFrom);
    super("pulumi-microvm:components:MicroVm", name, {}, { ...opts, ...aliases });
    this.closure = this.makeClosure(args);
    const volumes = args.vm.volumes.map((volume) => this.volume(args, volume));
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

  /** The first volume of a renamed VM stops it, which must wait for all closures as a start does. */
  private beforeVolumes({ vm, host, ready }: MicroVmArgs): pulumi.Input<pulumi.Resource[]> {
    if (vm.renamedFrom === undefined) return [host.checks];
    return ready.then(() => [host.checks, this.closure]);
  }

  private volume(args: MicroVmArgs, volume: VolumeModel): Volume {
    const { vm, host } = args;
    return new Volume(
      `${vm.name}-${volume.name}`,
      {
        host: vm.hypervisor,
        renamedFrom: vm.renamedFrom,
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
        dependsOn: this.beforeVolumes(args),
        protect: volume.protect,
        ...timeouts(vm.volumeTimeoutSeconds, "create", "update", "delete"),
        ...aliasesOf(vm.renamedFrom, `-${volume.name}`),
        ...importOptions(vm.import, volumeId(vm, volume), ["sizeMiB", "label"]),
      },
    );
  }

  private makeClosure({ vm, hypervisor, host, machine }: MicroVmArgs): NixClosure {
    const { runner, toplevel, closureInfo, packages } = machine;
    return new NixClosure(
      vm.name,
      {
        host: vm.hypervisor,
        renamedFrom: vm.renamedFrom,
        machineId: host.machineId,
        name: vm.name,
        roots: { runner, toplevel, closureInfo },
        build: hypervisor.build,
        packages,
      },
      {
        parent: this,
        dependsOn: host.checks,
        ...timeouts(hypervisor.buildTimeoutSeconds, "create", "update"),
        ...aliasesOf(vm.renamedFrom),
      },
    );
  }

  private vm(
    { vm, host, machine }: MicroVmArgs,
    dependsOn: Promise<pulumi.Resource[]>,
  ): MicroVmResource {
    return new MicroVmResource(
      vm.name,
      {
        host: vm.hypervisor,
        renamedFrom: vm.renamedFrom,
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
        switchTimeoutSeconds: vm.switchTimeoutSeconds,
      },
      {
        parent: this,
        dependsOn,
        protect: vm.protect,
        ...timeouts(vm.startTimeoutSeconds, "create", "update", "delete"),
        ...aliasesOf(vm.renamedFrom),
        ...importOptions(vm.import, `${vm.hypervisor}/${vm.name}`, [
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

/** The id by which the provider knows a volume. */
export function volumeId(
  vm: Pick<VmModel, "hypervisor" | "name">,
  volume: Pick<VolumeModel, "name" | "image">,
): string {
  const id = `${vm.hypervisor}/${vm.name}.${volume.name}`;
  const usual = `/var/lib/microvms/${vm.name}/${volume.name}.img`;
  return volume.image === usual ? id : `${id}=${volume.image}`;
}
