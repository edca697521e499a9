/** The cluster of the site file with its defaults. Pure. */
import { isController } from "../contract/names";
import type { ClusterFile } from "./clusterSchema";
import type { ClusterDraft, VmDraft } from "./draft";
import type { FaultyPaths } from "./siteFile";
import { firstOf, levelOf, mapValue, seconds, withDefault } from "./value";
import type { Value } from "./value";

/** k0s's own defaults. */
const DEFAULT_POD_NETWORK = "10.244.0.0/16";
const DEFAULT_SERVICE_NETWORK = "10.96.0.0/12";
const DEFAULT_MAX_UNAVAILABLE = 1;
const DEFAULT_DRAIN_TIMEOUT_SECONDS = 600;

export function normaliseCluster(
  file: ClusterFile,
  isFaulty: FaultyPaths,
  vms: readonly VmDraft[],
): ClusterDraft {
  const path = ["cluster"];
  const own = <T>(keys: readonly string[], value: T | undefined): Value<T> =>
    firstOf([...path, ...keys], [levelOf(isFaulty, [...path, ...keys], value)]);
  const endpoint = own(["api", "endpoint"], file.api?.endpoint);
  const { network, drain } = file;
  return {
    path,
    name: own(["name"], file.name),
    k0sVersion: own(["k0sVersion"], file.k0sVersion),
    endpoint: withOnlyController(endpoint, vms),
    sans: mapValue(withDefault(own(["api", "sans"], file.api?.sans), []), (sans) =>
      [...new Set(sans)].filter((name) => name !== endpoint.value).sort(),
    ),
    nodeLocalLoadBalancing: file.nodeLocalLoadBalancing ?? true,
    podNetwork: withDefault(own(["network", "pods"], network?.pods), DEFAULT_POD_NETWORK),
    serviceNetwork: withDefault(
      own(["network", "services"], network?.services),
      DEFAULT_SERVICE_NETWORK,
    ),
    caFingerprint: mapValue(own(["caFingerprint"], file.caFingerprint), (text) =>
      text.replaceAll(":", "").toLowerCase(),
    ),
    maxUnavailable: file.maxUnavailable ?? DEFAULT_MAX_UNAVAILABLE,
    drain: {
      timeoutSeconds: seconds(drain?.timeout, DEFAULT_DRAIN_TIMEOUT_SECONDS),
      localStorage: drain?.localStorage ?? "refuse",
      unmanagedPods: drain?.unmanagedPods ?? "refuse",
    },
  };
}

/** The endpoint of a cluster with one controller is that controller, unless the file says so. */
function withOnlyController(endpoint: Value<string>, vms: readonly VmDraft[]): Value<string> {
  const controllers = vms.filter(({ role }) => isController(role.value));
  const [only] = controllers;
  if (endpoint.value !== undefined || endpoint.isFaulty || only === undefined) return endpoint;
  if (controllers.length > 1) return endpoint;
  return { ...endpoint, value: only.ip.value, isFaulty: only.ip.value === undefined };
}
