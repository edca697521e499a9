/** A VM of the site: its volumes and its closure, then the VM itself. */
import { volumeId } from "../contract/names";
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
    const volumes = args.vm.volumes.map((volume) => this.volume(args, volume));
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

  private volume({ vm, host }: MicroVmArgs, volume: VolumeModel): Volume {
    const { name, image } = volume;
    const id = volumeId(vm.hypervisor, { vm: vm.name, name, image });
    return new Volume(
      `${vm.name}-${volume.name}`,
      {
        host: vm.hypervisor,
        renamedFrom: vm.renamedFrom,
        machineId: host.machineId,
        vm: vm.name,
        name,
        image,
        sizeMiB: volume.sizeMiB,
        fsType: volume.fsType,
        label: volume.label,
        onDelete: volume.onDelete,
        address: vm.ip,
      },
      {
        parent: this,
        dependsOn: host.checks,
        protect: volume.protect,
        ...timeouts(vm.volumeTimeoutSeconds, "create", "update", "delete"),
        ...aliasesOf(vm.renamedFrom, `-${volume.name}`),
        ...importOptions(vm.import, id, ["sizeMiB", "label"]),
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
