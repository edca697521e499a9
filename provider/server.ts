/** Pulumi's ResourceProvider service: requests in, the one flow of lifecycle.ts, answers out. */
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
import { ProviderError, messageOf } from "./errors";
import { HostPool } from "./hosts/pool";
import { sweepPrivateDirectories } from "./hosts/nix/privateDirectory";
import { InitFailed } from "./lifecycle";
import type { BoundResource, Checked } from "./lifecycle";
import type { Log } from "./log";
import type { Context } from "./resource";
import { RESOURCES } from "./resources";
import { packageSchema } from "./schema";
import { decode, encode } from "./wire";

type Handler<Request, Response> = (request: Request) => Response | Promise<Response>;

const READ_TIMEOUT_SECONDS = 120;

/** The state of one provider process. */
export class Provider {
  private pool: HostPool | undefined;
  private readonly cancelled = new AbortController();

  constructor(
    private readonly log: Log,
    private readonly version: string,
  ) {
    // Every call in flight listens to it.
    setMaxListeners(0, this.cancelled.signal);
  }

  /** The service's methods as @grpc/grpc-js wants them. */
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
      checkConfig: unary<pb.CheckRequest, pb.CheckResponse>((request) =>
        checkResponse(checkConfig(decode(request.getNews()), oldsOf(request))),
      ),
      diffConfig: unary<pb.DiffRequest, pb.DiffResponse>((request) =>
        diffResponse(diffConfig(oldInputsOf(request), decode(request.getNews()))),
      ),
      configure: unary<pb.ConfigureRequest, pb.ConfigureResponse>((request) => {
        sweepPrivateDirectories();
        this.pool = new HostPool(parseConfig(decode(request.getArgs())));
        const response = new pb.ConfigureResponse();
        response.setAcceptsecrets(true);
        response.setSupportspreview(true);
        response.setAcceptoutputs(false);
        response.setAcceptresources(false);
        return response;
      }),
      check: unary<pb.CheckRequest, pb.CheckResponse>((request) =>
        checkResponse(
          resourceOf(request.getUrn()).check(decode(request.getNews()), oldsOf(request)),
        ),
      ),
      diff: unary<pb.DiffRequest, pb.DiffResponse>((request) =>
        diffResponse(
          resourceOf(request.getUrn()).diff(
            decode(request.getOlds()),
            oldInputsOf(request),
            decode(request.getNews()),
            request.getIgnorechangesList(),
          ),
        ),
      ),
      create: unary<pb.CreateRequest, pb.CreateResponse>((request) => this.create(request)),
      read: unary<pb.ReadRequest, pb.ReadResponse>((request) => this.read(request)),
      update: unary<pb.UpdateRequest, pb.UpdateResponse>((request) => this.update(request)),
      delete: unary<pb.DeleteRequest, Empty>((request) => this.remove(request)),
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

  private async create(request: pb.CreateRequest): Promise<pb.CreateResponse> {
    const resource = resourceOf(request.getUrn());
    const context = this.context(request.getUrn(), request.getTimeout(), resource.timeoutSeconds);
    const made = await resource.create(
      context,
      decode(request.getProperties()),
      request.getPreview(),
    );
    const response = new pb.CreateResponse();
    response.setId(made.id);
    response.setProperties(encode(made.properties));
    return response;
  }

  private async read(request: pb.ReadRequest): Promise<pb.ReadResponse> {
    const inputs = decode(request.getInputs());
    const context = this.context(request.getUrn(), 0, READ_TIMEOUT_SECONDS);
    const resource = resourceOf(request.getUrn());
    const state = decode(request.getProperties());
    const found = await resource.read(context, request.getId(), inputs, state);
    const response = new pb.ReadResponse();
    if (found === undefined) return response;
    response.setId(found.id);
    response.setProperties(encode(found.properties));
    response.setInputs(encode(found.inputs));
    return response;
  }

  private async update(request: pb.UpdateRequest): Promise<pb.UpdateResponse> {
    const resource = resourceOf(request.getUrn());
    const context = this.context(request.getUrn(), request.getTimeout(), resource.timeoutSeconds);
    const before = { state: decode(request.getOlds()), inputs: oldInputsOf(request) };
    const news = decode(request.getNews());
    const response = new pb.UpdateResponse();
    try {
      const properties = await resource.update(context, before, news, request.getPreview());
      response.setProperties(encode(properties));
      return response;
    } catch (error) {
      if (!(error instanceof InitFailed)) throw error;
      throw new InitFailed(request.getId(), error.properties, error.inputs, error.reasons);
    }
  }

  private async remove(request: pb.DeleteRequest): Promise<Empty> {
    const resource = resourceOf(request.getUrn());
    const context = this.context(request.getUrn(), request.getTimeout(), resource.timeoutSeconds);
    const state = decode(request.getProperties());
    const inputs = decode(request.getOldInputs());
    await resource.remove(context, inputs, state);
    return new Empty();
  }

  private context(urn: string, timeoutSeconds: number, fallbackSeconds: number): Context {
    if (this.pool === undefined) throw new Error("Configure was not called");
    const seconds = timeoutSeconds > 0 ? timeoutSeconds : fallbackSeconds;
    return {
      urn,
      deadline: Date.now() + seconds * 1000,
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

function oldsOf(request: pb.CheckRequest): ReturnType<typeof decode> | undefined {
  const olds = request.getOlds();
  return olds === undefined || olds.getFieldsMap().getLength() === 0 ? undefined : decode(olds);
}

function oldInputsOf(request: pb.DiffRequest | pb.UpdateRequest): ReturnType<typeof decode> {
  return decode(request.getOldInputs() ?? request.getOlds());
}

function checkResponse(checked: Checked): pb.CheckResponse {
  const response = new pb.CheckResponse();
  response.setInputs(encode(checked.inputs));
  for (const { property, reason } of checked.faults) {
    const failure = new pb.CheckFailure();
    failure.setProperty(property);
    failure.setReason(reason);
    response.addFailures(failure);
  }
  return response;
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

/** A unary handler from an async function; errors become gRPC statuses with Pulumi's details. */
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

/** google.rpc.Status in `grpc-status-details-bin`, as the engine reads it (sdk/go rpcerror). */
function addInitFailed(metadata: grpc.Metadata, code: number, error: InitFailed): void {
  const detail = new ErrorResourceInitFailed();
  detail.setId(error.id);
  detail.setProperties(encode(error.properties));
  detail.setInputs(encode(error.inputs));
  detail.setReasonsList(error.reasons);
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(code);
  status.setMessage(error.message);
  status.addDetails(any);
  metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
}
