/** A hypervisor of the site: its NixOS system if the site manages it, then its preflight checks. */
import * as pulumi from "./pulumi";
import type { HypervisorModel, SshEndpoint, SystemModel, VmModel } from "../site/model";
import type { HypervisorSystem } from "./evaluation/evaluate";
import { aliasesOf } from "./options";
import { ifRegistered, required } from "./registration";
import { Hypervisor, NixosSystem } from "./resources";
import type { VmWants } from "./resources";
import { unlocated } from "./sdkDiagnostics";

export interface HypervisorHostArgs {
  hypervisor: HypervisorModel;
  /** The VMs that run on it. */
  vms: VmModel[];
  /** The derivations of their runners. */
  runners: string[];
  /** What the flake builds for it, if the site manages its system. */
  system?: HypervisorSystem | undefined;
}

/**
 * What the stack's output `hypervisors` has for each of them. Empty if the hypervisor has failed in
 * this run.
 */
export type HypervisorOutput = Partial<HypervisorValues>;

interface HypervisorValues {
  machineId: string;
  /**
   * The booted kernel, initrd or kernel modules are not those of the system. Absent: not managed.
   */
  rebootRequired?: boolean;
  /** Result of each preflight check. */
  verdicts: Record<string, "ok" | "failed" | "off">;
}

export class HypervisorHost extends pulumi.ComponentResource {
  /** Known after the checks, so that nothing is made on a host that fails them. */
  readonly machineId: pulumi.Output<string>;
  /** The checks, for `dependsOn`. Rejects if they fail. */
  readonly ready: Promise<Hypervisor>;
  readonly output: pulumi.Output<HypervisorOutput>;

  constructor(name: string, args: HypervisorHostArgs, opts?: pulumi.ComponentResourceOptions) {
    const { hypervisor } = args;
    const aliases = aliasesOf(hypervisor.renamedFrom);
    const type = "pulumi-microvm:components:HypervisorHost";
    super(type, name, unlocated({}), pulumi.mergeOptions(opts, aliases));
    const system =
      args.system && hypervisor.system && this.system(args, args.system, hypervisor.system);
    const checks = this.hypervisor(args, system);
    this.machineId = checks.machineId;
    this.ready = required(checks, `Hypervisor ${hypervisor.name}`);
    this.output = ifRegistered(outputOf(checks, system)).apply((known) => ({ ...known }));
    this.registerOutputs({ output: this.output });
  }

  private hypervisor(
    { hypervisor, vms, system }: HypervisorHostArgs,
    dependsOn: NixosSystem | undefined,
  ): Hypervisor {
    return new Hypervisor(
      hypervisor.name,
      {
        host: hypervisor.name,
        renamedFrom: hypervisor.renamedFrom,
        endpoint: describeEndpoint(hypervisor.endpoint),
        bridge: hypervisor.bridge,
        nic: hypervisor.nic,
        shared: hypervisor.shared,
        wants: vms.map(wantsOf),
        renamedVms: Object.fromEntries(
          vms.flatMap(({ name, renamedFrom }) =>
            renamedFrom === undefined ? [] : [[name, renamedFrom]],
          ),
        ),
        // The input of NixosSystem, not its output, since a preview knows it.
        system: system?.toplevel.outPath,
        checks: hypervisor.checks,
      },
      {
        parent: this,
        ...(dependsOn && { dependsOn: required(dependsOn, `The system of ${hypervisor.name}`) }),
        ...aliasesOf(hypervisor.renamedFrom),
      },
    );
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
        renamedFrom: hypervisor.renamedFrom,
        drvPath: toplevel.drvPath,
        toplevel: toplevel.outPath,
        build: hypervisor.build,
        buildTimeoutSeconds: hypervisor.buildTimeoutSeconds,
        ...system,
        stopOrder: stopOrder(vms),
        vmDerivations: runners,
        packages,
        bootHash,
      },
      { parent: this, ...aliasesOf(hypervisor.renamedFrom) },
    );
  }
}

/**
 * What a VM needs of its host. Other stacks compare it with their own VMs if the host is shared.
 */
export function wantsOf({ name, memoryMiB, ip, mac, vsockCid, volumes }: VmModel): VmWants {
  const images = volumes.map(({ image, sizeMiB }) => ({ image, sizeMiB }));
  return { name, memoryMiB, ip, mac, ...(vsockCid !== undefined && { vsockCid }), volumes: images };
}

function outputOf(
  { machineId, verdicts }: Hypervisor,
  system: NixosSystem | undefined,
): pulumi.Output<HypervisorValues> {
  if (system === undefined) {
    return pulumi
      .all([machineId, verdicts])
      .apply(([id, results]) => ({ machineId: id, verdicts: results }));
  }
  return pulumi
    .all([machineId, verdicts, system.rebootRequired])
    .apply(([id, results, rebootRequired]) => ({
      machineId: id,
      rebootRequired,
      verdicts: results,
    }));
}

/** Workers stop first and controllers last, since workers need controllers. */
export function stopOrder(vms: readonly Pick<VmModel, "name" | "role">[]): string[] {
  const rank = ({ role }: Pick<VmModel, "role">): number =>
    role === "controller" ? 2 : role === "controller+worker" ? 1 : 0;
  return [...vms].sort((a, b) => rank(a) - rank(b)).map((vm) => vm.name);
}

/** `root@192.0.2.11:22 ssh-ed25519 AAAA...`, then the jump hosts: reviewers see it change. */
function describeEndpoint({ user, address, port, hostKey, jump }: SshEndpoint): string {
  const here = `${user}@${address}:${port} ${hostKey}`;
  return jump === undefined ? here : `${here} via ${describeEndpoint(jump)}`;
}
