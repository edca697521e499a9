/** Runs the real plugin executable and talks to it as the engine does: over gRPC, with a logger. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { decodeStruct, encodeStruct } from "../../provider/struct";
import type { ValueMap } from "../../provider/wire";

/** Uses the SDK's message class, which must accept what the provider encodes and decodes. */
const encode = (map: ValueMap): Struct => Struct.deserializeBinary(encodeStruct(map));
const decode = (struct: Struct | undefined): ValueMap =>
  decodeStruct(struct?.serializeBinary() ?? new Uint8Array());

const EXECUTABLE = join(__dirname, "..", "..", "provider", "pulumi-resource-microvm");

export interface Failure {
  message: string;
  code: number;
  /** The details of an ErrorResourceInitFailed. */
  initFailed?: { id: string; properties: ValueMap; inputs: ValueMap; reasons: string[] };
}

export class ProviderProcess {
  /** The stack of these calls. */
  urn: (type: string) => string = urn;

  private constructor(
    /** The messages that the provider logged. */
    readonly logs: readonly string[],
    readonly child: ChildProcess,
    private readonly engine: grpc.Server,
    readonly client: ResourceProviderClient,
  ) {}

  static async start(environment: Record<string, string> = {}): Promise<ProviderProcess> {
    const engine = new grpc.Server();
    const logs: string[] = [];
    engine.addService(EngineService, {
      log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
        logs.push(call.request.getMessage());
        callback(null, new Empty());
      },
      getRootResource: unimplemented,
      setRootResource: unimplemented,
    });
    const enginePort = await new Promise<number>((resolve, reject) =>
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    const child = spawn(EXECUTABLE, [`127.0.0.1:${enginePort}`], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, SSH_AUTH_SOCK: "", ...environment },
    });
    const port = await firstLine(child);
    const client = new ResourceProviderClient(
      `127.0.0.1:${port}`,
      grpc.credentials.createInsecure(),
    );
    return new ProviderProcess(logs, child, engine, client);
  }

  /** Waits until the provider has logged a line with `text`. */
  async logged(text: string): Promise<string> {
    for (const deadline = Date.now() + 5_000; Date.now() < deadline;) {
      const line = this.logs.find((one) => one.includes(text));
      if (line !== undefined) return line;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`the provider logged only: ${this.logs.join(" / ")}`);
  }

  /** Stops only the engine. The provider must notice. */
  stopEngine(): void {
    this.engine.forceShutdown();
  }

  /** Resolves when the provider exits. */
  exited(): Promise<number | null> {
    if (this.child.exitCode !== null) return Promise.resolve(this.child.exitCode);
    return new Promise((resolve) => this.child.once("exit", resolve));
  }

  async stop(): Promise<void> {
    this.client.close();
    this.child.kill("SIGKILL");
    await this.exited();
    this.engine.forceShutdown();
  }

  configure(inputs: ValueMap): Promise<pb.ConfigureResponse> {
    const request = new pb.ConfigureRequest();
    request.setArgs(encode(inputs));
    request.setAcceptsecrets(true);
    return call((done) => this.client.configure(request, done));
  }

  async checkConfig(news: ValueMap, olds?: ValueMap): Promise<ValueMap> {
    const request = new pb.CheckRequest();
    request.setNews(encode(news));
    if (olds) request.setOlds(encode(olds));
    const response = await call<pb.CheckResponse>((done) => this.client.checkConfig(request, done));
    return decode(response.getInputs());
  }

  async check(type: string, news: ValueMap, olds?: ValueMap) {
    const request = new pb.CheckRequest();
    request.setUrn(this.urn(type));
    request.setNews(encode(news));
    if (olds) request.setOlds(encode(olds));
    const response = await call<pb.CheckResponse>((done) => this.client.check(request, done));
    const failures = response.getFailuresList().map((f) => `${f.getProperty()}: ${f.getReason()}`);
    return { inputs: decode(response.getInputs()), failures };
  }

  async diff(type: string, state: ValueMap, oldInputs: ValueMap, news: ValueMap) {
    const request = new pb.DiffRequest();
    request.setUrn(this.urn(type));
    request.setOlds(encode(state));
    request.setOldInputs(encode(oldInputs));
    request.setNews(encode(news));
    const response = await call<pb.DiffResponse>((done) => this.client.diff(request, done));
    const changes = response
      .getDetaileddiffMap()
      .toArray()
      .map(([path, diff]) => {
        const map = response.getDetaileddiffMap().get(path) ?? new pb.PropertyDiff();
        return [path, { kind: map.getKind(), inputDiff: map.getInputdiff(), diff }] as const;
      });
    return {
      changes: Object.fromEntries(
        changes.map(([path, { kind, inputDiff }]) => [path, { kind, inputDiff }]),
      ),
      some: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
      replaces: response.getReplacesList(),
    };
  }

  async create(type: string, inputs: ValueMap, preview = false, timeoutSeconds = 0) {
    const request = new pb.CreateRequest();
    request.setUrn(this.urn(type));
    request.setProperties(encode(inputs));
    request.setPreview(preview);
    request.setTimeout(timeoutSeconds);
    const response = await call<pb.CreateResponse>((done) => this.client.create(request, done));
    return { id: response.getId(), properties: decode(response.getProperties()) };
  }

  async read(type: string, id: string, inputs: ValueMap, state: ValueMap) {
    const request = new pb.ReadRequest();
    request.setUrn(this.urn(type));
    request.setId(id);
    request.setInputs(encode(inputs));
    request.setProperties(encode(state));
    const response = await call<pb.ReadResponse>((done) => this.client.read(request, done));
    return {
      id: response.getId(),
      properties: decode(response.getProperties()),
      inputs: decode(response.getInputs()),
    };
  }

  async update(
    type: string,
    id: string,
    state: ValueMap,
    news: ValueMap,
    timeoutSeconds = 0,
    { preview = false, oldInputs }: { preview?: boolean; oldInputs?: ValueMap } = {},
  ): Promise<ValueMap> {
    const request = new pb.UpdateRequest();
    request.setUrn(this.urn(type));
    request.setId(id);
    request.setOlds(encode(state));
    if (oldInputs !== undefined) request.setOldInputs(encode(oldInputs));
    request.setNews(encode(news));
    request.setTimeout(timeoutSeconds);
    request.setPreview(preview);
    const response = await call<pb.UpdateResponse>((done) => this.client.update(request, done));
    return decode(response.getProperties());
  }

  remove(type: string, id: string, inputs: ValueMap, timeoutSeconds = 0): Promise<Empty> {
    const request = new pb.DeleteRequest();
    request.setUrn(this.urn(type));
    request.setId(id);
    request.setOldInputs(encode(inputs));
    request.setProperties(encode(inputs));
    request.setTimeout(timeoutSeconds);
    return call((done) => this.client.delete(request, done));
  }

  /** The peak memory of the process in MiB. */
  peakMemoryMiB(): number {
    const status = readFileSync(`/proc/${this.child.pid ?? 0}/status`, "utf8");
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  async schema(): Promise<string> {
    const response = await call<pb.GetSchemaResponse>((done) =>
      this.client.getSchema(new pb.GetSchemaRequest(), done),
    );
    return response.getSchema();
  }

  cancel(): Promise<Empty> {
    return call((done) => this.client.cancel(new Empty(), done));
  }
}

export function urn(type: string): string {
  return `urn:pulumi:test::pulumi-microvm::microvm:index:${type}::x`;
}

function unimplemented(_: unknown, callback: (error: Error) => void): void {
  callback(new Error("not implemented in this test"));
}

function call<T>(
  start: (done: (error: grpc.ServiceError | null, response: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) =>
    start((error, response) => {
      if (error === null) resolve(response);
      else reject(Object.assign(new Error(error.details), { failure: failureOf(error) }));
    }),
  );
}

/** Returns the error of the call. Fails if the call succeeds. */
export async function failure(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    if (typeof error === "object" && error !== null && "failure" in error) {
      return asFailure(error.failure);
    }
    throw error;
  }
  throw new Error("the call succeeded");
}

function asFailure(value: unknown): Failure {
  if (isFailure(value)) return value;
  throw new Error("not a failure");
}

function isFailure(value: unknown): value is Failure {
  return typeof value === "object" && value !== null && "code" in value;
}

function failureOf(error: grpc.ServiceError): Failure {
  const raw = error.metadata.get("grpc-status-details-bin")[0];
  const base = { message: error.details, code: error.code };
  if (!(raw instanceof Buffer)) return base;
  const any = Status.deserializeBinary(raw).getDetailsList()[0];
  const detail = any?.unpack(
    (bytes) => pb.ErrorResourceInitFailed.deserializeBinary(bytes),
    "pulumirpc.ErrorResourceInitFailed",
  );
  if (detail === undefined || detail === null) return base;
  return {
    ...base,
    initFailed: {
      id: detail.getId(),
      properties: decode(detail.getProperties()),
      inputs: decode(detail.getInputs()),
      reasons: detail.getReasonsList(),
    },
  };
}

function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new Error("no stdout");
  return new Promise((resolve, reject) => {
    createInterface(stdout).once("line", resolve);
    child.once("exit", (code) =>
      reject(new Error(`the provider ended with ${code ?? "a signal"}`)),
    );
  });
}
