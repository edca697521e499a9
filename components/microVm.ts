/**
 * A VM of the site, in two phases: the constructor registers its volumes and its closure,
 * `register` the VM itself.
 */
import { volumeId } from "../contract/names";
import * as pulumi from "./pulumi";
import type { HypervisorModel, VmModel, VolumeModel } from "../site/model";
import type { Machine } from "./evaluation/evaluate";
import type { HypervisorHost } from "./hypervisorHost";
import { aliasesOf, importOptions, protection, timeouts } from "./options";
import { ifRegistered, required } from "./registration";
import { MicroVmResource, NixClosure, Volume } from "./resources";
import { unlocated } from "./sdkDiagnostics";

export interface MicroVmArgs {
  vm: VmModel;
  hypervisor: HypervisorModel;
  host: HypervisorHost;
  machine: Machine;
}

/**
 * What the stack's output `vms` has for each of them. If the VM, or what it depends on, has failed
 * in this run, only what the site states.
 */
export type VmOutput = VmAddress & Partial<VmValues>;

interface VmAddress {
  address: string;
  hypervisor: string;
}

interface VmValues {
  running: boolean;
  /** Store path of the installed runner. */
  runner: string;
  /** The running system or hardware is not the installed one. */
  stale: boolean;
  /** The guest's public SSH host key, for known_hosts. */
  guestHostKey: string;
}

type VolumeDependencies = Promise<pulumi.Resource[]>;

export class MicroVm extends pulumi.ComponentResource {
  readonly closure: NixClosure;
  private volumes: Volume[] | undefined;
  private resource: MicroVmResource | undefined;

  constructor(
    name: string,
    private readonly args: MicroVmArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    const aliases = aliasesOf(args.vm.renamedFrom);
    const type = "pulumi-microvm:components:MicroVm";
    super(type, name, unlocated({}), pulumi.mergeOptions(opts, aliases));
    this.closure = this.makeClosure(args);
    if (args.vm.renamedFrom === undefined)
      this.volumes = this.makeVolumes(args.host.ready.then((host) => [host]));
  }

  /** The VM, for `dependsOn`. Only after `register`. Rejects if the VM has failed. */
  get started(): Promise<MicroVmResource> {
    const { name } = this.args.vm;
    if (this.resource === undefined) throw new Error(`${name} is not registered yet`);
    return required(this.resource, `The VM ${name}`);
  }

  /** Registers the VM itself after `ready` has resolved: when VMs may be changed. */
  register(ready: Promise<void>): pulumi.Output<VmOutput> {
    const { name, ip, hypervisor } = this.args.vm;
    const closure = required(this.closure, `The closure of ${name}`);
    // The first volume of a renamed VM stops it: that waits for all closures, as a start does.
    this.volumes ??= this.makeVolumes(
      ready.then(() => Promise.all([this.args.host.ready, closure])),
    );
    const volumes = this.volumes.map((volume) => required(volume, `A volume of ${name}`));
    const parts = [...volumes, closure];
    const vm = this.vm(
      this.args,
      ready.then(() => Promise.all<pulumi.Resource>(parts)),
    );
    this.resource = vm;
    const values = pulumi
      .all([vm.running, vm.runner, vm.stale, vm.guestHostKey])
      .apply(([running, runner, stale, guestHostKey]): VmValues => {
        return { running, runner, stale, guestHostKey };
      });
    const output = ifRegistered(values).apply((known): VmOutput => {
      return { address: ip, hypervisor, ...known };
    });
    this.registerOutputs({ output });
    return output;
  }

  private makeVolumes(dependsOn: VolumeDependencies): Volume[] {
    return this.args.vm.volumes.map((volume) => this.volume(this.args, volume, dependsOn));
  }

  private volume(
    { vm, host }: MicroVmArgs,
    volume: VolumeModel,
    dependsOn: VolumeDependencies,
  ): Volume {
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
        dependsOn,
        ...protection(volume.protect),
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
        dependsOn: host.ready,
        ...timeouts(hypervisor.buildTimeoutSeconds, "create", "update"),
        ...aliasesOf(vm.renamedFrom),
      },
    );
  }

  private vm(
    { vm, hypervisor, host, machine }: MicroVmArgs,
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
        hostName: vm.hostName,
        bridge: hypervisor.checks.bridge === "off" ? undefined : hypervisor.bridge,
        mac: vm.mac,
        vsockCid: vm.vsockCid,
        shareSources: vm.shares.map(({ source }) => source),
        running: vm.running,
        restart: vm.restart,
        memoryTargetMiB: vm.memoryTargetMiB,
        hardware: machine.hardware,
        hardwareParts: hardwareParts(vm),
        closureInfo: machine.closureInfo.outPath,
        liveSwitch: machine.liveSwitch,
        updatePolicy: vm.updatePolicy,
        switchTimeoutSeconds: vm.switchTimeoutSeconds,
      },
      {
        parent: this,
        dependsOn,
        ...protection(vm.protect),
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

/** What of the VMM's configuration the site states. A kernel, for example, is the flake's. */
function hardwareParts(vm: VmModel): Record<string, string> {
  const none = (text: string): string => (text === "" ? "none" : text);
  return {
    vcpu: String(vm.vcpu),
    memory: `${vm.memoryMiB} MiB`,
    mac: vm.mac,
    vsockCid: String(vm.vsockCid ?? "none"),
    volumes: none(vm.volumes.map(({ name, image }) => `${name} (${image})`).join(", ")),
    shares: none(vm.shares.map(({ tag, source }) => `${tag} (${source})`).join(", ")),
  };
}
