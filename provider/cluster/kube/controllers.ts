/** The API through whichever controller answers. */
import type { Duplex } from "node:stream";
import { messageOf } from "../../errors";
import { pause, within } from "../../hosts/wait/wait";
import type { Limits } from "../../hosts/wait/wait";
import { printable } from "../../hosts/transport/printable";
import { CONNECT_SECONDS } from "./connection";
import type { ApiAnswer, ApiConnection, ApiRequest } from "./connection";
import { API_PORT } from "../config";
import { failureOf, noAnswer } from "./failure";
import { forwardedStream } from "./portForward";
import type { PodPort } from "./portForward";

/** As client-go does it. */
const BUSY_ATTEMPTS = 10;
const BUSY_MS = 1_000;

export class Controllers {
  /** The controller that answered last comes first. */
  private order: ApiConnection[];

  constructor(
    /** The name of the cluster, for messages. */
    private readonly cluster: string,
    connections: readonly ApiConnection[],
  ) {
    this.order = [...connections];
  }

  /**
   * Repeats the request at another controller if one cannot be reached or has no etcd. All requests
   * of the provider can be repeated: reads, merge patches, deletions, evictions.
   */
  async request(limits: Limits, request: ApiRequest): Promise<ApiAnswer> {
    return granted(await this.first(limits, (one) => this.attempt(limits, one, request)));
  }

  /** A stream to a port of a pod. */
  forward(limits: Limits, target: PodPort): Promise<Duplex> {
    return this.first(limits, (one) => forwardedStream(limits, one, target));
  }

  /** A TCP stream to the API. */
  open(limits: Limits): Promise<Duplex> {
    return this.first(limits, ({ endpoint }) =>
      endpoint.open(within(limits, CONNECT_SECONDS), API_PORT),
    );
  }

  /** By the first controller for which the work succeeds. */
  private async first<T>(
    limits: Limits,
    work: (connection: ApiConnection) => Promise<T>,
  ): Promise<T> {
    const causes: string[] = [];
    for (const connection of [...this.order]) {
      try {
        const result = await work(connection);
        this.prefer(connection);
        return result;
      } catch (error) {
        if (limits.signal.aborted || Date.now() >= limits.deadline) throw error;
        causes.push(`${connection.endpoint.name}: ${printable(messageOf(error))}`);
      }
    }
    throw noAnswer(this.cluster, causes);
  }

  close(): void {
    for (const connection of this.order) connection.close();
  }

  private async attempt(
    limits: Limits,
    connection: ApiConnection,
    request: ApiRequest,
  ): Promise<ApiAnswer> {
    let answer = await connection.request(limits, request);
    for (let busy = 0; isBusy(answer, request) && busy < BUSY_ATTEMPTS; busy += 1) {
      await pause(BUSY_MS, limits.signal);
      answer = await connection.request(limits, request);
    }
    if (isUnavailable(answer, request)) throw failureOf(answer.status, answer.body);
    return answer;
  }

  private prefer(connection: ApiConnection): void {
    this.order = [connection, ...this.order.filter((one) => one !== connection)];
  }
}

/** Of a read: the server is overloaded, or has not prepared a new kind. To an eviction: not now. */
function isBusy({ status }: ApiAnswer, { method }: ApiRequest): boolean {
  return status === 429 && method === "GET";
}

/** Kubernetes answers 500 to a read without etcd, but also to an eviction that it cannot decide. */
function isUnavailable({ status }: ApiAnswer, { method }: ApiRequest): boolean {
  return status > 500 || (status === 500 && method === "GET");
}

function granted(answer: ApiAnswer): ApiAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw failureOf(answer.status, answer.body);
}
