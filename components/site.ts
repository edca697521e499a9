/** A whole site: the provider with its hosts, one evaluation, every hypervisor, every VM. */
import * as pulumi from "@pulumi/pulumi";
import type { HypervisorModel, SiteModel, SshEndpoint } from "../site/model";
import { evaluate } from "./evaluation";
import type { HypervisorSystem } from "./evaluation";
import { HypervisorHost } from "./hypervisorHost";
import { MicroVm } from "./microVm";
import type { VmOutput } from "./microVm";
import { Provider } from "./resources";

export interface SiteArgs {
  model: SiteModel;
  /** A directory for site.json, which Nix reads. */
  siteDirectory: string;
  /** A private key for the hosts, from the stack's secrets. */
  privateKey?: pulumi.Output<string> | undefined;
}

export class Site extends pulumi.ComponentResource {
  /** VM name -> what a stack tells about it. */
  readonly vms: pulumi.Output<Record<string, VmOutput>>;

  constructor(name: string, args: SiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Site", name, {}, opts);
    const { model } = args;
    const provider = this.provider(name, args);
    const options = { parent: this, providers: { microvm: provider } };
    const { machineOf, hypervisorOf } = evaluate(model, args.siteDirectory, { parent: this });

    const outputs = model.hypervisors.flatMap((hypervisor) => {
      const vms = model.vms.filter((vm) => vm.hypervisor === hypervisor.name);
      const built = (): pulumi.Output<HypervisorSystem> => hypervisorOf(hypervisor.name);
      const host = new HypervisorHost(hypervisor.name, { hypervisor, vms, built }, options);
      return vms.map((vm): [string, pulumi.Output<VmOutput>] => {
        const machine = machineOf(vm.name);
        return [vm.name, new MicroVm(vm.name, { vm, hypervisor, host, machine }, options).output];
      });
    });

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
