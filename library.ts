/**
 * What the npm package exports: docs/package.md. Importing it makes Node keep compiled code and
 * repairs stack traces of Pulumi's SDK. It has no other effect.
 */
import "./compileCache";
import "./components/sdkDiagnostics";

export { run, siteArgs } from "./components/program";
export { loadSite, projectDirectory } from "./components/project";
export { evaluateSite } from "./components/evaluation/evaluate";
export type { FlakeOutput, HypervisorSystem, Machine } from "./components/evaluation/evaluate";

export { Site, providerArgs } from "./components/site";
export type { SiteArgs } from "./components/site";
export { HypervisorHost } from "./components/hypervisorHost";
export type { HypervisorHostArgs, HypervisorOutput } from "./components/hypervisorHost";
export { MicroVm } from "./components/microVm";
export type { MicroVmArgs, VmOutput } from "./components/microVm";

export type { ClusterOutput } from "./components/cluster";

export {
  Hypervisor,
  K0sCluster,
  K0sNode,
  MicroVmResource,
  NixClosure,
  NixosSystem,
  Provider,
  Volume,
} from "./components/resources";
export type {
  HypervisorArgs,
  K0sClusterArgs,
  K0sMember,
  K0sNodeArgs,
  MicroVmResourceArgs,
  NixClosureArgs,
  NixosSystemArgs,
  ProviderArgs,
  VmWants,
  VolumeArgs,
} from "./components/resources";
export { Seed } from "./components/gitops/resources";
export type { SeedArgs, SeedGate } from "./components/gitops/resources";
export type * from "./site/model";
