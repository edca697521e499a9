/** TCP streams to the Git server in the cluster: port-forwards to a pod of its service. */
import type { Duplex } from "node:stream";
import { z } from "zod";
import type { ObjectApi } from "../../cluster/kube/objectClient";
import type { PodPort } from "../../cluster/kube/portForward";
import { ProviderError } from "../../errors";
import type { Limits } from "../../hosts/wait/wait";
import type { Streams } from "../localPort";

/** The part of ClusterAccess that this needs. */
export interface ForwardingCluster {
  objects(call: Limits): ObjectApi;
  forward(call: Limits, target: PodPort): Promise<Duplex>;
}

export interface ServicePort {
  namespace: string;
  service: string;
  port: number;
}

const target = z.union([z.string(), z.number()]);
const serviceSchema = z.looseObject({
  spec: z.looseObject({
    selector: z.record(z.string(), z.string()).default({}),
    ports: z.array(z.looseObject({ port: z.number(), targetPort: target.optional() })).default([]),
  }),
});

const podSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), deletionTimestamp: z.string().optional() }),
  spec: z.looseObject({
    containers: z
      .array(
        z.looseObject({
          ports: z
            .array(z.looseObject({ name: z.string().optional(), containerPort: z.number() }))
            .default([]),
        }),
      )
      .default([]),
  }),
  status: z
    .looseObject({
      conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
    })
    .prefault({}),
});
type Pod = z.infer<typeof podSchema>;

/** A pod that has ended is looked for again with each stream. */
export class ServiceStreams implements Streams {
  private found: PodPort | undefined;

  constructor(
    private readonly cluster: ForwardingCluster,
    private readonly at: ServicePort,
  ) {}

  async open(limits: Limits): Promise<Duplex> {
    const pod = (this.found ??= await this.find(limits));
    try {
      return await this.cluster.forward(limits, pod);
    } catch (error) {
      this.found = undefined;
      throw error;
    }
  }

  private async find(limits: Limits): Promise<PodPort> {
    const { namespace, service, port } = this.at;
    const path = `/api/v1/namespaces/${namespace}`;
    const objects = this.cluster.objects(limits);
    const found = await objects.get(`${path}/services/${service}`);
    if (found === undefined) throw this.absent("the service does not exist");
    const { selector, ports } = serviceSchema.parse(found).spec;
    const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
    if (labels.length === 0) throw this.absent("the service selects no pods");
    const pods = await objects.list(`${path}/pods`, { labelSelector: labels.join(",") });
    const ready = pods.map((pod) => podSchema.parse(pod)).find(isReady);
    if (ready === undefined) throw this.absent("none of its pods is ready");
    const exposed = ports.find((one) => one.port === port)?.targetPort ?? port;
    return { namespace, pod: ready.metadata.name, port: numberOf(exposed, ready, port) };
  }

  private absent(why: string): ProviderError {
    const { namespace, service } = this.at;
    return new ProviderError(
      "unreachable",
      `the Git server ${namespace}/${service} is unavailable: ${why}`,
      `Look at kubectl --namespace ${namespace} get pods,events.`,
    );
  }
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status.conditions.find(({ type }) => type === "Ready");
  return metadata.deletionTimestamp === undefined && ready?.status === "True";
}

/** The number of a port that the service names. */
function numberOf(exposed: string | number, pod: Pod, fallback: number): number {
  if (typeof exposed === "number") return exposed;
  const all = pod.spec.containers.flatMap(({ ports }) => ports);
  return all.find(({ name }) => name === exposed)?.containerPort ?? fallback;
}
