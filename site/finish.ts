/** The model of a draft that has no issues. Pure. */
import type {
  ClusterDraft,
  HopDraft,
  HypervisorDraft,
  SiteDraft,
  VmDraft,
  VolumeDraft,
} from "./draft";
import type {
  ClusterModel,
  HypervisorModel,
  SiteModel,
  SshEndpoint,
  VmModel,
  VolumeModel,
} from "./model";
import { finishGitOps } from "./finishGitOps";
import { parseCidr } from "./network";
import { certain } from "./value";

export function finish(draft: SiteDraft): SiteModel {
  return {
    flake: certain(draft.flake),
    credentials: draft.credentials,
    operatorKeys: draft.operatorKeys,
    ...(draft.cluster !== undefined && { cluster: clusterOf(draft.cluster) }),
    ...(draft.gitOps !== undefined &&
      draft.cluster !== undefined && {
        gitOps: finishGitOps(draft.gitOps, certain(draft.cluster.name)),
      }),
    hypervisors: draft.hypervisors.map((one) => hypervisorOf(draft, one)),
    vms: draft.vms.map(vmOf),
  };
}

function clusterOf(draft: ClusterDraft): ClusterModel {
  const { caFingerprint, nodeLocalLoadBalancing, maxUnavailable, drain } = draft;
  return {
    name: certain(draft.name),
    k0sVersion: certain(draft.k0sVersion),
    endpoint: certain(draft.endpoint),
    sans: certain(draft.sans),
    nodeLocalLoadBalancing,
    podNetwork: certain(draft.podNetwork),
    serviceNetwork: certain(draft.serviceNetwork),
    ...(caFingerprint.value !== undefined && { caFingerprint: caFingerprint.value }),
    maxUnavailable,
    drain,
  };
}

function hypervisorOf(site: SiteDraft, draft: HypervisorDraft): HypervisorModel {
  const { renamedFrom, memoryMiB, diskMiB, system } = draft;
  return {
    name: draft.name,
    ...(renamedFrom.value !== undefined && { renamedFrom: renamedFrom.value }),
    endpoint: endpointOf(site, draft.endpoint),
    nic: certain(draft.nic),
    bridge: draft.bridge,
    hostIp: certain(draft.hostIp),
    ...(memoryMiB.value !== undefined && { memoryMiB: memoryMiB.value }),
    ...(diskMiB.value !== undefined && { diskMiB: diskMiB.value }),
    checks: draft.checks,
    maintenance: draft.maintenance,
    forget: draft.forget,
    shared: draft.shared,
    parallelism: draft.parallelism,
    build: draft.build,
    buildTimeoutSeconds: draft.buildTimeoutSeconds,
    waitTimeoutSeconds: draft.waitTimeoutSeconds,
    ...(system !== undefined && { system }),
  };
}

function endpointOf(site: SiteDraft, hop: HopDraft): SshEndpoint {
  const jump = site.jumpHosts.find(({ name }) => name === hop.jumpHost.value);
  return {
    address: certain(hop.address),
    port: certain(hop.port),
    user: hop.user,
    hostKey: certain(hop.hostKey),
    ...(jump !== undefined && { jump: endpointOf(site, jump) }),
  };
}

function vmOf(draft: VmDraft): VmModel {
  const { renamedFrom, profile, role, memoryTargetMiB, gateway, vsockCid } = draft;
  return {
    name: draft.name,
    ...(renamedFrom.value !== undefined && { renamedFrom: renamedFrom.value }),
    hostName: certain(draft.hostName),
    hypervisor: certain(draft.hypervisor),
    ...(profile.value !== undefined && { profile: profile.value }),
    ...(role.value !== undefined && { role: role.value }),
    labels: certain(draft.labels),
    taints: certain(draft.taints),
    vcpu: certain(draft.vcpu),
    memoryMiB: certain(draft.memoryMiB),
    ...(memoryTargetMiB.value !== undefined && { memoryTargetMiB: memoryTargetMiB.value }),
    ip: certain(draft.ip),
    prefixLength: parseCidr(certain(draft.cidr))?.prefixLength ?? 0,
    ...(gateway.value !== undefined && { gateway: gateway.value }),
    nameservers: draft.nameservers,
    mac: certain(draft.mac),
    ...(vsockCid.value !== undefined && { vsockCid: vsockCid.value }),
    volumes: draft.volumes.map(volumeOf),
    shares: draft.shares.map(({ tag, source, mountPoint, readOnly }) => ({
      tag,
      source: certain(source),
      mountPoint: certain(mountPoint),
      readOnly,
    })),
    startTimeoutSeconds: draft.startTimeoutSeconds,
    switchTimeoutSeconds: draft.switchTimeoutSeconds,
    volumeTimeoutSeconds: draft.volumeTimeoutSeconds,
    updatePolicy: draft.updatePolicy,
    running: draft.running,
    restart: draft.restart,
    import: draft.import,
    protect: draft.protect,
  };
}

function volumeOf(draft: VolumeDraft): VolumeModel {
  const { name, fsType, onDelete, protect, mountPoint } = draft;
  return {
    name,
    image: certain(draft.image),
    sizeMiB: certain(draft.sizeMiB),
    fsType,
    label: certain(draft.label),
    ...(mountPoint.value !== undefined && { mountPoint: mountPoint.value }),
    onDelete,
    protect,
  };
}
