/** A whole site: the provider with its hosts, every hypervisor, every VM. */
import { isWorker } from "../contract/names";
import * as pulumi from "./pulumi";
import type { HypervisorModel, SiteModel, VmModel } from "../site/model";
import { requireEntry } from "./evaluation/evaluate";
import type { FlakeOutput } from "./evaluation/evaluate";
import { Cluster, clusterJson } from "./cluster";
import type { ClusterOutput } from "./cluster";
import { GitOps } from "./gitops/gitOps";
import type { GitOpsArgs } from "./gitops/gitOps";
import { HypervisorHost } from "./hypervisorHost";
import type { HypervisorOutput } from "./hypervisorHost";
import { MicroVm } from "./microVm";
import type { VmOutput } from "./microVm";
import { allRegistered } from "./registration";
import { Provider } from "./resources";
import type { ProviderArgs } from "./resources";
import { unlocated } from "./sdkDiagnostics";

export interface SiteArgs {
  model: SiteModel;
  /** What the site's flake builds. */
  built: FlakeOutput;
  /** A private key for the hosts, from the stack's secrets. */
  privateKey?: pulumi.Output<string> | undefined;
  /** Path of the program `helm`. Default: it is on PATH. */
  helm?: string | undefined;
  /** What runs in the cluster. Absent: the site has no `gitops`. */
  gitOps?: SiteGitOps | undefined;
}

/** What the program reads for GitOps, beside the cluster. */
export type SiteGitOps = Pick<GitOpsArgs, "seeds" | "tree" | "settings" | "manifests" | "secrets">;

export class Site extends pulumi.ComponentResource {
  /** Name -> stack output. */
  readonly hypervisors: pulumi.Output<Record<string, HypervisorOutput>>;
  readonly vms: pulumi.Output<Record<string, VmOutput>>;
  /** Absent for a site without a cluster. */
  readonly cluster?: pulumi.Output<ClusterOutput>;
  /** Secret. Absent for a site without a cluster. */
  readonly kubeconfig?: pulumi.Output<string | undefined>;

  constructor(name: string, args: SiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pulumi-microvm:components:Site", name, unlocated({}), opts);
    const { model, built } = args;
    // `providers` of the options, or of a parent, may have one.
    const given = this.getProvider("microvm:index:Hypervisor");
    const microvm = given ?? new Provider(name, providerArgs(args), { parent: this });
    const options = { parent: this, providers: { microvm } };

    const hosts = new Map<string, HypervisorHost>();
    const machines = new Map<string, MicroVm>();
    for (const hypervisor of model.hypervisors) {
      const vms = model.vms.filter((vm) => vm.hypervisor === hypervisor.name);
      if (hypervisor.forget) {
        void pulumi.log.warn(forgotten(hypervisor, vms), this);
        continue;
      }
      const system = hypervisor.system && requireEntry(built.hypervisors, hypervisor.name);
      const runners = vms.map((vm) => requireEntry(built.machines, vm.name).runner.drvPath);
      const args = { hypervisor, vms, runners, system };
      const host = new HypervisorHost(hypervisor.name, args, options);
      hosts.set(hypervisor.name, host);
      for (const vm of vms) {
        const machine = requireEntry(built.machines, vm.name);
        const args = { vm, hypervisor, host, machine };
        machines.set(vm.name, new MicroVm(vm.name, args, options));
      }
    }
    const vms = registerVms(machines);

    this.hypervisors = pulumi.output(
      Object.fromEntries([...hosts].map(([host, { output }]) => [host, output] as const)),
    );
    this.vms = pulumi.output(vms);
    const members = model.vms.filter(({ name, role }) => role !== undefined && machines.has(name));
    if (model.cluster !== undefined) {
      const cluster = new Cluster(
        { cluster: model.cluster, members, built, machines, hosts },
        options,
      );
      this.cluster = cluster.output;
      this.kubeconfig = cluster.kubeconfig;
      if (args.gitOps !== undefined) {
        const { resource, members: joined } = cluster;
        const nodes = nodesOf(members);
        const more = { cluster: model.cluster, resource, members: joined, nodes };
        new GitOps({ ...args.gitOps, ...more }, options);
      }
    }
    this.registerOutputs(outputsOf(this));
  }
}

/** VM -> the name of its node. Pure controllers have none. */
function nodesOf(members: readonly VmModel[]): Map<string, string> {
  const workers = members.filter(({ role }) => isWorker(role));
  return new Map(workers.map(({ name, hostName }) => [name, hostName]));
}

/** The stack's outputs. Those of the cluster only where there is one. */
export type SiteOutputs = Pick<Site, "hypervisors" | "vms" | "cluster" | "kubeconfig">;

export function outputsOf({ hypervisors, vms, cluster, kubeconfig }: SiteOutputs): SiteOutputs {
  return { hypervisors, vms, ...(cluster && { cluster }), ...(kubeconfig && { kubeconfig }) };
}

/** For a provider that a program makes itself, beside its own Site or single components. */
export function providerArgs({
  model,
  privateKey,
  helm,
}: Pick<SiteArgs, "model" | "privateKey" | "helm">): ProviderArgs {
  const { agent, identityFiles } = model.credentials;
  const hosts = hostsJson(model.hypervisors);
  return { hosts, agent, identityFiles, privateKey, cluster: clusterJson(model), helm };
}

/**
 * The engine deletes what is not registered, and the provider deletes it from the state alone. No
 * provider is asked about deletions in a preview, so the program tells what stays on the host.
 */
function forgotten({ name }: HypervisorModel, vms: VmModel[]): string {
  const machines = vms.map((vm) => `${vm.name} (${vm.ip})`);
  const images = vms.flatMap((vm) => vm.volumes.map(({ image }) => image));
  const left = (what: string, all: string[]): string[] =>
    all.length === 0 ? [] : [`${what} ${all.join(", ")}`];
  const all = [...left("VMs", machines), ...left("images", images)].join("; ");
  const host = `${name}: forget is true: its resources leave the state, and it is not contacted.`;
  if (all === "") return host;
  return (
    `${host} If it still runs, this stays on it: ${all}. ` +
    "Keep it switched off while other VMs use these addresses"
  );
}

/** All closures are built and copied before the first VM changes: docs/decisions/0007. */
function registerVms(machines: Map<string, MicroVm>): Record<string, pulumi.Output<VmOutput>> {
  const all = [...machines];
  const ready = allRegistered(all.map(([, machine]) => machine.closure));
  return Object.fromEntries(all.map(([name, machine]) => [name, machine.register(ready)]));
}

/** The provider's `hosts`, as provider/hosts/transport/config.ts reads it. */
export function hostsJson(hypervisors: HypervisorModel[]): string {
  const hosts = hypervisors.map((hypervisor): [string, object] => {
    const { endpoint, renamedFrom, maintenance, forget } = hypervisor;
    const { parallelism, waitTimeoutSeconds } = hypervisor;
    const limits = { parallelism, waitTimeoutSeconds };
    return [hypervisor.name, { ...endpoint, renamedFrom, maintenance, forget, ...limits }];
  });
  return JSON.stringify(Object.fromEntries(hosts));
}
