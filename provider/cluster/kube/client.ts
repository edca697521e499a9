/**
 * The calls with which the provider changes a cluster, by @kubernetes/client-node over our own
 * connections. That package is large, so it is loaded with the first call: a site without a cluster
 * never loads it, and a pass without changes only uses lists.ts.
 */
import type * as kubernetes from "@kubernetes/client-node";
import type { Limits } from "../../hosts/wait/wait";
import type { Controllers } from "./controllers";
import { isNotFound } from "./failure";
import { ETCD_MEMBERS, PAGE, listNodes } from "./lists";
import { budgetOf, nodeOf, podOf } from "./objects";
import type { Budget, KubeNode, Pod, Taint } from "./objects";

type Package = typeof kubernetes;

/** The name of the objects' manager in their managedFields. */
const MANAGER = "pulumi-microvm";
/** Of k0s's autopilot. It is off in our clusters, but not in those made by other means. */
const CONTROL_NODES = {
  group: "autopilot.k0sproject.io",
  version: "v1beta2",
  plural: "controlnodes",
};

/** Null removes a key. */
export interface NodePatch {
  /** The patch fails with a conflict if the node has changed since. */
  resourceVersion?: string;
  labels?: Readonly<Record<string, string | null>>;
  annotations?: Readonly<Record<string, string | null>>;
  taints?: readonly Taint[];
  unschedulable?: boolean;
}

/** The cluster's API as the provider uses it. Failures: ApiFailure, or `unreachable`. */
export interface KubeApi {
  listNodes(): Promise<KubeNode[]>;
  patchNode(name: string, patch: NodePatch): Promise<KubeNode>;
  /** Has no effect on a node that does not exist. So do the other deletions. */
  deleteNode(name: string): Promise<void>;
  setLeave(member: string, leave: boolean): Promise<void>;
  deleteEtcdMember(name: string): Promise<void>;
  deleteControlNode(name: string): Promise<void>;
  listPods(node: string): Promise<Pod[]>;
  listBudgets(): Promise<Budget[]>;
  evict(pod: Pod): Promise<void>;
}

export class KubeClient implements KubeApi {
  private constructor(
    private readonly core: kubernetes.CoreV1Api,
    private readonly policy: kubernetes.PolicyV1Api,
    private readonly custom: kubernetes.CustomObjectsApi,
    private readonly merging: NonNullable<Parameters<kubernetes.CoreV1Api["patchNode"]>[1]>,
    private readonly controllers: Controllers,
    private readonly limits: Limits,
  ) {}

  /** `limits`: those of the call for which the client is made. */
  static async over(controllers: Controllers, limits: Limits): Promise<KubeClient> {
    const loaded = await import("@kubernetes/client-node");
    const configuration = loaded.createConfiguration({
      // The controllers know their addresses.
      baseServer: new loaded.ServerConfiguration("https://cluster", {}),
      httpApi: loaded.wrapHttpLibrary({ send: sender(loaded, controllers, limits) }),
    });
    return new KubeClient(
      new loaded.CoreV1Api(configuration),
      new loaded.PolicyV1Api(configuration),
      new loaded.CustomObjectsApi(configuration),
      loaded.setHeaderOptions("Content-Type", loaded.PatchStrategy.MergePatch),
      controllers,
      limits,
    );
  }

  listNodes(): Promise<KubeNode[]> {
    return listNodes(this.controllers, this.limits);
  }

  async patchNode(name: string, patch: NodePatch): Promise<KubeNode> {
    const { resourceVersion, labels, annotations, taints, unschedulable } = patch;
    const body = {
      metadata: { resourceVersion, labels, annotations },
      spec: { taints, unschedulable },
    };
    const request = { name, body, fieldManager: MANAGER };
    return nodeOf(await this.core.patchNode(request, this.merging));
  }

  deleteNode(name: string): Promise<void> {
    return unlessGone(this.core.deleteNode({ name }));
  }

  async setLeave(name: string, leave: boolean): Promise<void> {
    const request = { ...ETCD_MEMBERS, name, body: { spec: { leave } }, fieldManager: MANAGER };
    await this.custom.patchClusterCustomObject(request, this.merging);
  }

  deleteEtcdMember(name: string): Promise<void> {
    return unlessGone(this.custom.deleteClusterCustomObject({ ...ETCD_MEMBERS, name }));
  }

  deleteControlNode(name: string): Promise<void> {
    return unlessGone(this.custom.deleteClusterCustomObject({ ...CONTROL_NODES, name }));
  }

  async listPods(node: string): Promise<Pod[]> {
    const fieldSelector = `spec.nodeName=${node}`;
    const pods = await pages((more) =>
      this.core.listPodForAllNamespaces({ ...more, fieldSelector }),
    );
    return pods.map(podOf);
  }

  async listBudgets(): Promise<Budget[]> {
    const budgets = await pages((more) =>
      this.policy.listPodDisruptionBudgetForAllNamespaces(more),
    );
    return budgets.map(budgetOf);
  }

  /** The id protects a new pod of the same name. */
  evict({ namespace, name, uid }: Pod): Promise<void> {
    const body = { metadata: { namespace, name }, deleteOptions: { preconditions: { uid } } };
    return unlessGone(this.core.createNamespacedPodEviction({ namespace, name, body }));
  }
}

type Send = (request: kubernetes.RequestContext) => Promise<kubernetes.ResponseContext>;

/** The transport of the package: our connections, with the limits of a call. */
function sender(loaded: Package, controllers: Controllers, limits: Limits): Send {
  return async (request) => {
    const { pathname, search } = new URL(request.getUrl());
    const body = request.getBody();
    const {
      status,
      headers,
      body: text,
    } = await controllers.request(limits, {
      method: request.getHttpMethod(),
      path: `${pathname}${search}`,
      headers: request.getHeaders(),
      body: typeof body === "string" ? body : undefined,
    });
    const content = new loaded.SelfDecodingBody(Promise.resolve(Buffer.from(text)));
    return new loaded.ResponseContext(status, headers, content);
  };
}

interface Page<T> {
  items: T[];
  metadata?: { _continue?: string };
}

async function pages<T>(
  list: (more: { limit: number; _continue?: string }) => Promise<Page<T>>,
): Promise<T[]> {
  const all: T[] = [];
  let from: string | undefined;
  do {
    const page = await list({ limit: PAGE, ...(from !== undefined && { _continue: from }) });
    all.push(...page.items);
    from = page.metadata?._continue;
  } while (from !== undefined && from !== "");
  return all;
}

async function unlessGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
