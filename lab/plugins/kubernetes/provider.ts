/** The service of the plugin. */
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import type { Log } from "../../../provider/log";
import * as messages from "../../../provider/messages";
import { containsUnknown, toMap } from "../../../provider/wire";
import type { ValueMap } from "../../../provider/wire";
import { configurationOf, diffConfig } from "./config";
import type { Configuration } from "./config";
import { Kube } from "./kube";
import { Objects } from "./objects";
import { diffOf } from "./diff";
import {
  checkpoint,
  fieldManagerOf,
  idOf,
  identityOf,
  isPlainMap,
  liveOf,
  plainOf,
  pruned,
  recordedInputs,
  withSecrets,
} from "./values";

const VERSION = "4.34.2";
const UNREACHABLE = "configured Kubernetes cluster is unreachable";
const REMOVAL =
  "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the " +
  'operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"';

export class KubernetesProvider {
  private config: Configuration | undefined;
  private objects: Objects | undefined;
  /** Why the cluster is unreachable. */
  private unreachable: string | undefined;

  constructor(private readonly log: Log) {}

  service(): grpc.UntypedServiceImplementation {
    return {
      handshake: unary<pb.ProviderHandshakeRequest, pb.ProviderHandshakeResponse>(() => {
        const response = new pb.ProviderHandshakeResponse();
        response.setAcceptSecrets(true);
        return response;
      }),
      getPluginInfo: unary<Empty, PluginInfo>(() => {
        const info = new PluginInfo();
        info.setVersion(VERSION);
        return info;
      }),
      getSchema: unary<pb.GetSchemaRequest, pb.GetSchemaResponse>(() => {
        const response = new pb.GetSchemaResponse();
        response.setSchema(JSON.stringify({ name: "kubernetes", version: VERSION }));
        return response;
      }),
      checkConfig: unary<messages.CheckRequest, Buffer>((request) =>
        messages.checkResponse(new pb.CheckResponse(), request.properties("news") ?? {}),
      ),
      diffConfig: unary<messages.DiffRequest, pb.DiffResponse>((request) =>
        diffConfig(
          request.properties("oldInputs") ?? request.properties("olds") ?? {},
          request.properties("news") ?? {},
        ),
      ),
      configure: unary<messages.ConfigureRequest, pb.ConfigureResponse>((request) =>
        this.configure(request.properties("args") ?? {}),
      ),
      check: unary<messages.CheckRequest, Buffer>((request) => this.check(request)),
      diff: unary<messages.DiffRequest, pb.DiffResponse>((request) => this.diff(request)),
      create: unary<messages.CreateRequest, Buffer>((request) => this.create(request)),
      read: unary<messages.ReadRequest, Buffer>((request) => this.read(request)),
      update: unary<messages.UpdateRequest, Buffer>((request) => this.update(request)),
      delete: unary<messages.DeleteRequest, Empty>((request) => this.remove(request)),
      cancel: unary<Empty, Empty>(() => new Empty()),
      attach: unary<unknown, Empty>(() => new Empty()),
    };
  }

  private async configure(args: ValueMap): Promise<pb.ConfigureResponse> {
    const config = configurationOf(args);
    this.config = config;
    const response = new pb.ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(true);
    if (config.target instanceof Error) {
      this.unreachable = `failed to parse kubeconfig data: ${config.target.message}`;
      return response;
    }
    const kube = new Kube(config.target, config.timeoutSeconds);
    this.objects = new Objects(kube, config);
    try {
      await kube.request("GET", "/version");
    } catch (error) {
      this.unreachable = `unable to load schema information from the API server: ` + String(error);
    }
    return response;
  }

  private configured(): { config: Configuration; objects: Objects } {
    const { config, objects } = this;
    if (config === undefined) throw new Error("Configure was not called");
    if (objects === undefined || this.unreachable !== undefined) {
      throw new Error(`${UNREACHABLE}: ${this.unreachable ?? ""}`);
    }
    return { config, objects };
  }

  private check({ message, properties }: messages.CheckRequest): Buffer {
    const response = new pb.CheckResponse();
    const news = properties("news") ?? {};
    if (this.unreachable !== undefined) {
      if (this.config?.skipUpdateUnreachable !== true)
        return messages.checkResponse(response, news);
      const text =
        "Cluster is unreachable but skipUpdateUnreachable flag is set to true, skipping...";
      this.log.warning(message.getUrn(), text);
      return messages.checkResponse(response, properties("olds") ?? {});
    }
    const identity = identityOf(plainOf(news));
    if (identity.name === "" && !containsUnknown(news)) {
      throw new Error("the lab's stand-in gives no names: set metadata.name");
    }
    if (news["stringData"] !== undefined) {
      throw new Error("the lab's stand-in has no stringData: use data");
    }
    return messages.checkResponse(response, withSecrets(news, news));
  }

  private async diff({ message, properties }: messages.DiffRequest): Promise<pb.DiffResponse> {
    const state = properties("olds") ?? {};
    const inputs = plainOf(recordedInputs(state));
    const live = pruned(liveOf(state), inputs);
    const news = plainOf(properties("news") ?? {});
    const isNamespaced = await this.isNamespaced(news);
    const { config } = this;
    if (config === undefined) throw new Error("Configure was not called");
    return diffOf(live, news, isNamespaced, config, message.getIgnorechangesList());
  }

  /** A kind that the API does not have yet counts as namespaced. */
  private async isNamespaced(object: ReturnType<typeof plainOf>): Promise<boolean> {
    const identity = identityOf(object);
    if (this.unreachable !== undefined) return identity.namespace !== undefined;
    const found = await this.configured().objects.kind(identity);
    return found?.isNamespaced ?? true;
  }

  private async create({ message, properties }: messages.CreateRequest): Promise<Buffer> {
    const inputs = properties("properties") ?? {};
    const response = new pb.CreateResponse();
    const isPreview = message.getPreview();
    if (isPreview && (this.unreachable !== undefined || containsUnknown(inputs))) {
      return messages.createResponse(response, inputs);
    }
    const { objects } = this.configured();
    const plain = plainOf(inputs);
    const manager = fieldManagerOf(plain, {});
    if (isPreview) {
      const live = await objects.previewCreate(plain, manager);
      const properties = live === undefined ? inputs : checkpoint(inputs, live, manager);
      return messages.createResponse(response, properties);
    }
    const live = await objects.create(plain, manager, (text) => {
      this.log.status(message.getUrn(), text);
    });
    response.setId(idOf(identityOf(live)));
    return messages.createResponse(response, checkpoint(inputs, live, manager));
  }

  private async read({ message, properties }: messages.ReadRequest): Promise<Buffer> {
    const inputs = properties("inputs") ?? {};
    const state = properties("properties") ?? {};
    const response = new pb.ReadResponse();
    if (this.unreachable !== undefined) {
      const urn = message.getUrn();
      this.log.warning(urn, `${UNREACHABLE}: ${this.unreachable}`);
      if (this.config?.deleteUnreachable === true) return messages.readResponse(response);
      if (this.config?.skipUpdateUnreachable !== true) {
        throw new Error(`failed to read resource state due to unreachable cluster. ${REMOVAL}`);
      }
      response.setId(message.getId());
      return messages.readResponse(response, { properties: state, inputs });
    }
    const live = await this.configured().objects.read(plainOf(inputs));
    if (live === undefined) return messages.readResponse(response);
    response.setId(message.getId());
    const manager = fieldManagerOf(plainOf(inputs), state);
    const seen = pruned(live, plainOf(inputs));
    const now = withSecrets(toMap(isPlainMap(seen) ? seen : {}), inputs);
    return messages.readResponse(response, {
      properties: checkpoint(now, live, manager),
      inputs: now,
    });
  }

  private async update({ message, properties }: messages.UpdateRequest): Promise<Buffer> {
    const news = properties("news") ?? {};
    const state = properties("olds") ?? {};
    const isPreview = message.getPreview();
    if (isPreview && (this.unreachable !== undefined || containsUnknown(news))) {
      return messages.updateResponse(news);
    }
    const { objects } = this.configured();
    const plain = plainOf(news);
    const manager = fieldManagerOf(plain, state);
    const live = await objects.update(plain, manager, isPreview);
    return messages.updateResponse(checkpoint(news, live, manager));
  }

  private async remove({ properties }: messages.DeleteRequest): Promise<Empty> {
    if (this.unreachable !== undefined && this.config?.deleteUnreachable !== true) {
      throw new Error(`${UNREACHABLE}. ${REMOVAL}`);
    }
    if (this.unreachable === undefined) {
      await this.configured().objects.remove(liveOf(properties("properties") ?? {}));
    }
    return new Empty();
  }
}

type Handler<Request, Response> = (request: Request) => Response | Promise<Response>;

function unary<Request, Response>(
  handler: Handler<Request, Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => handler(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => {
          const details = error instanceof Error ? error.message : String(error);
          callback({ code: grpc.status.UNKNOWN, details });
        },
      );
  };
}
