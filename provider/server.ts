/** Pulumi's ResourceProvider service. Decodes requests, calls lifecycle.ts, encodes responses. */
import { setMaxListeners } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { checkConfig, diffConfig, parseConfig } from "./configuration";
import type { ChangeKind, Changes } from "./diff";
import { InitFailed, ProviderError, messageOf } from "./errors";
import { HostPool } from "./hosts/pool";
import { sweepPrivateDirectories } from "./hosts/nix/privateDirectory";
import type { Checked } from "./inputChecks";
import type { BoundResource } from "./resource";
import type { Log } from "./log";
import * as messages from "./messages";
import type { Context } from "./resource";
import { RESOURCES } from "./resources";
import { packageSchema } from "./schema";
import type { ValueMap } from "./wire";

type Handler<Request, Response> = (request: Request) => Response | Promise<Response>;

const READ_TIMEOUT_SECONDS = 120;
/** Outer limit of a call that changes something. Each of its steps has its own limit. */
const LONGEST_CALL_SECONDS = 7 * 24 * 3600;

/** The state of one provider process. */
export class Provider {
  private pool: HostPool | undefined;
  private readonly cancelled = new AbortController();

  constructor(
    private readonly log: Log,
    private readonly version: string,
  ) {
    // Every running call adds a listener.
    setMaxListeners(0, this.cancelled.signal);
  }

  /** The methods of the service, for @grpc/grpc-js. */
  service(): grpc.UntypedServiceImplementation {
    return {
      handshake: unary<pb.ProviderHandshakeRequest, pb.ProviderHandshakeResponse>(() => {
        const response = new pb.ProviderHandshakeResponse();
        response.setAcceptSecrets(true);
        response.setAcceptOutputs(false);
        response.setAcceptResources(false);
        return response;
      }),
      getPluginInfo: unary<Empty, PluginInfo>(() => {
        const info = new PluginInfo();
        info.setVersion(this.version);
        return info;
      }),
      getSchema: unary<pb.GetSchemaRequest, pb.GetSchemaResponse>(() => {
        const response = new pb.GetSchemaResponse();
        response.setSchema(packageSchema(this.version));
        return response;
      }),
      checkConfig: unary<messages.CheckRequest, Buffer>((request) =>
        checkResponse(checkConfig(newsOf(request), oldsOf(request))),
      ),
      diffConfig: unary<messages.DiffRequest, pb.DiffResponse>((request) =>
        diffResponse(diffConfig(oldInputsOf(request), newsOf(request))),
      ),
      configure: unary<messages.ConfigureRequest, pb.ConfigureResponse>((request) => {
        sweepPrivateDirectories();
        this.pool = new HostPool(parseConfig(request.properties("args") ?? {}));
        const response = new pb.ConfigureResponse();
        response.setAcceptsecrets(true);
        response.setSupportspreview(true);
        response.setAcceptoutputs(false);
        response.setAcceptresources(false);
        return response;
      }),
      check: unary<messages.CheckRequest, Buffer>((request) =>
        checkResponse(resourceOf(request.message.getUrn()).check(newsOf(request), oldsOf(request))),
      ),
      diff: unary<messages.DiffRequest, pb.DiffResponse>((request) =>
        diffResponse(
          resourceOf(request.message.getUrn()).diff(
            request.properties("olds") ?? {},
            oldInputsOf(request),
            newsOf(request),
            request.message.getIgnorechangesList(),
          ),
        ),
      ),
      create: unary<messages.CreateRequest, Buffer>((request) => this.create(request)),
      read: unary<messages.ReadRequest, Buffer>((request) => this.read(request)),
      update: unary<messages.UpdateRequest, Buffer>((request) => this.update(request)),
      delete: unary<messages.DeleteRequest, Empty>((request) => this.remove(request)),
      cancel: unary<Empty, Empty>(() => {
        this.cancelled.abort();
        return new Empty();
      }),
      attach: unary<unknown, Empty>(() => new Empty()),
    };
  }

  /** Ends the connections. */
  close(): void {
    this.cancelled.abort();
    this.pool?.close();
  }

  private async create({ message, properties }: messages.CreateRequest): Promise<Buffer> {
    const resource = resourceOf(message.getUrn());
    const context = this.context(message, resource, message.getPreview());
    const news = properties("properties") ?? {};
    const made = await resource.create(context, news, message.getPreview());
    const response = new pb.CreateResponse();
    response.setId(made.id);
    return messages.createResponse(response, made.properties);
  }

  private async read({ message, properties }: messages.ReadRequest): Promise<Buffer> {
    const resource = resourceOf(message.getUrn());
    const context = this.context(message, resource, true);
    const inputs = properties("inputs") ?? {};
    const state = properties("properties") ?? {};
    const found = await resource.read(context, message.getId(), inputs, state);
    const response = new pb.ReadResponse();
    if (found === undefined) return messages.readResponse(response);
    response.setId(found.id);
    return messages.readResponse(response, found);
  }

  private async update(request: messages.UpdateRequest): Promise<Buffer> {
    const { message } = request;
    const resource = resourceOf(message.getUrn());
    const context = this.context(message, resource, message.getPreview());
    const before = { state: request.properties("olds") ?? {}, inputs: oldInputsOf(request) };
    try {
      return messages.updateResponse(
        await resource.update(context, before, newsOf(request), message.getPreview()),
      );
    } catch (error) {
      if (!(error instanceof InitFailed)) throw error;
      throw new InitFailed(message.getId(), error.properties, error.inputs, error.reasons);
    }
  }

  private async remove({ message, properties }: messages.DeleteRequest): Promise<Empty> {
    const resource = resourceOf(message.getUrn());
    const context = this.context(message, resource, false);
    const state = properties("properties") ?? {};
    await resource.remove(context, properties("oldInputs") ?? {}, state);
    return new Empty();
  }

  private context(
    request: { getUrn(): string; getTimeout?(): number },
    resource: BoundResource,
    readsOnly: boolean,
  ): Context {
    if (this.pool === undefined) throw new Error("Configure was not called");
    const urn = request.getUrn();
    const asked = request.getTimeout?.() ?? 0;
    const reading = asked > 0 ? asked : READ_TIMEOUT_SECONDS;
    const seconds = readsOnly ? reading : LONGEST_CALL_SECONDS;
    return {
      urn,
      deadline: Date.now() + seconds * 1000,
      workSeconds: asked > 0 ? asked : resource.timeoutSeconds,
      signal: this.cancelled.signal,
      status: (text) => this.log.status(urn, text),
      pool: this.pool,
      log: this.log,
    };
  }
}

function resourceOf(urn: string): BoundResource {
  const token = (urn.split("::")[2] ?? "").split("$").pop() ?? "";
  const resource = RESOURCES.get(token);
  if (resource === undefined) throw new ProviderError("input", `unknown resource type ${token}`);
  return resource;
}

type WithNews = messages.CheckRequest | messages.DiffRequest | messages.UpdateRequest;

function newsOf(request: WithNews): ValueMap {
  return request.properties("news") ?? {};
}

/** The inputs of the last update; undefined for a new resource. */
function oldsOf(request: messages.CheckRequest): ValueMap | undefined {
  const olds = request.properties("olds");
  return olds === undefined || Object.keys(olds).length === 0 ? undefined : olds;
}

function oldInputsOf(request: messages.DiffRequest | messages.UpdateRequest): ValueMap {
  return request.properties("oldInputs") ?? request.properties("olds") ?? {};
}

function checkResponse(checked: Checked): Buffer {
  const response = new pb.CheckResponse();
  for (const { property, reason } of checked.faults) {
    const failure = new pb.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return messages.checkResponse(response, checked.inputs);
}

const KINDS: Record<ChangeKind, pb.PropertyDiff.Kind> = {
  add: pb.PropertyDiff.Kind.ADD,
  delete: pb.PropertyDiff.Kind.DELETE,
  update: pb.PropertyDiff.Kind.UPDATE,
};

function diffResponse(changes: Changes): pb.DiffResponse {
  const response = new pb.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;
  response.setChanges(changes.size === 0 ? DIFF_NONE : DIFF_SOME);
  response.setHasdetaileddiff(true);
  for (const [path, change] of changes) {
    const diff = new pb.PropertyDiff();
    diff.setKind(KINDS[change.kind]);
    diff.setInputdiff(change.inputDiff);
    response.getDetaileddiffMap().set(path, diff);
    response.addDiffs(path.split(/[.[]/)[0] ?? path);
  }
  return response;
}

/** Makes a unary handler from an async function. Errors become gRPC statuses. */
function unary<Request, Response>(
  handler: Handler<Request, Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve()
      .then(() => handler(call.request))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(statusOf(error)),
      );
  };
}

function statusOf(error: unknown): grpc.ServiceError {
  const code =
    error instanceof ProviderError && error.reason === "cancelled"
      ? grpc.status.CANCELLED
      : grpc.status.UNKNOWN;
  const details = messageOf(error);
  const metadata = new grpc.Metadata();
  if (error instanceof InitFailed) addInitFailed(metadata, code, error);
  return Object.assign(new Error(details), { code, details, metadata });
}

/** Adds the google.rpc.Status that the engine reads (sdk/go rpcerror). */
function addInitFailed(metadata: grpc.Metadata, code: number, error: InitFailed): void {
  const detail = new ErrorResourceInitFailed();
  detail.setId(error.id);
  detail.setReasonsList(error.reasons);
  const any = new Any();
  const bytes = messages.initFailed(detail, error.properties, error.inputs);
  any.pack(bytes, "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(code);
  status.setMessage(error.message);
  status.addDetails(any);
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
}
