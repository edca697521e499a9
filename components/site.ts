/** A whole site: the provider with its hosts, every hypervisor, every VM. */
import * as pulumi from "./pulumi";
import type { HypervisorModel, SiteModel, SshEndpoint } from "../site/model";
import { answered } from "./answered";
import { named } from "./evaluation/evaluate";
import type { FlakeOutput } from "./evaluation/evaluate";
import { HypervisorHost } from "./hypervisorHost";
import { MicroVm } from "./microVm";
import type { VmOutput } from "./microVm";
import { Provider } from "./resources";

export interface SiteArgs {
  model: SiteModel;
  /** What the site's flake builds. */
  built: FlakeOutput;
  /** A private key for the hosts, from the stack's secrets. */
  privateKey?: pulumi.Output<string> | undefined;
}

export class Site extends pulumi.ComponentResource {
  /** VM name -> what a stack tells about it. */
  readonly vms: pulumi.Output<Record<string, VmOutput>>;

  constructor(name: string, args: SiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Site", name, {}, opts);
    const { model, built } = args;
    const provider = this.provider(name, args);
    const options = { parent: this, providers: { microvm: provider } };

    const made = new Map<string, MicroVm>();
    // Everything is built and copied before the first VM is disturbed: docs/decisions/0007. The callback
    // runs when this constructor is through, so all of them are made by then.
    const ready = Promise.resolve().then(() =>
      answered([...made.values()].map((vm) => vm.closure)),
    );
    for (const hypervisor of model.hypervisors) {
      const vms = model.vms.filter((vm) => vm.hypervisor === hypervisor.name);
      const system = hypervisor.system && named(built.hypervisors, hypervisor.name);
      const runners = vms.map((vm) => named(built.machines, vm.name).runner.drvPath);
      const args = { hypervisor, vms, runners, system };
      const host = new HypervisorHost(hypervisor.name, args, options);
      for (const vm of vms) {
        const machine = named(built.machines, vm.name);
        made.set(vm.name, new MicroVm(vm.name, { vm, hypervisor, host, machine, ready }, options));
      }
    }

    const outputs = [...made].map(([vm, { output }]): [string, typeof output] => [vm, output]);
    this.vms = pulumi.output(Object.fromEntries(outputs));
    this.registerOutputs({ vms: this.vms });
  }

  private provider(name: string, { model, privateKey }: SiteArgs): Provider {
    return new Provider(
      name,
      {
        hosts: hostsJson(model.hypervisors),
        agent: model.credentials.agent,
        identityFiles: model.credentials.identityFiles,
        privateKey,
      },
      { parent: this },
    );
  }
}

/** The provider's `hosts`: the shape of provider/hosts/config.ts. */
export function hostsJson(hypervisors: HypervisorModel[]): string {
  const hosts = hypervisors.map((hypervisor): [string, SshEndpoint & { maintenance: boolean }] => [
    hypervisor.name,
    { ...hypervisor.endpoint, maintenance: hypervisor.maintenance },
  ]);
  return JSON.stringify(Object.fromEntries(hosts));
}
