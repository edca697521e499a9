/** A provider plugin as the engine starts it, and the calls that the engine makes. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { decodeStruct, encodeStruct } from "../../../provider/struct";
import { Secret } from "../../../provider/wire";
import type { ValueMap } from "../../../provider/wire";

const STACK = "urn:pulumi:contract::contract";

const encode = (map: ValueMap): Struct => Struct.deserializeBinary(encodeStruct(map));
const decode = (struct: Struct | undefined): ValueMap =>
  decodeStruct(struct?.serializeBinary() ?? new Uint8Array());

/** A resource as the engine records it. */
export interface Recorded {
  id: string;
  inputs: ValueMap;
  state: ValueMap;
}

export interface Difference {
  changed: boolean;
  paths: string[];
  replaces: string[];
  deleteBeforeReplace: boolean;
}

export class Plugin {
  private constructor(
    private readonly child: ChildProcess,
    private readonly engine: grpc.Server,
    private readonly client: ResourceProviderClient,
  ) {}

  static async start(command: readonly string[]): Promise<Plugin> {
    const engine = new grpc.Server();
    engine.addService(EngineService, {
      log: (_call: unknown, done: grpc.sendUnaryData<Empty>) => done(null, new Empty()),
      getRootResource: refused,
      setRootResource: refused,
    });
    const port = await new Promise<number>((resolve, reject) =>
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const [program = "", ...args] = command;
    const child = spawn(program, [...args, `127.0.0.1:${port}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const address = `127.0.0.1:${await firstLine(child)}`;
    const client = new ResourceProviderClient(address, grpc.credentials.createInsecure());
    return new Plugin(child, engine, client);
  }

  stop(): void {
    this.client.close();
    this.child.kill("SIGKILL");
    this.engine.forceShutdown();
  }

  async diffConfig(olds: ValueMap, news: ValueMap): Promise<Difference> {
    const request = new pb.DiffRequest();
    request.setUrn(`${STACK}::pulumi:providers:kubernetes::cluster`);
    request.setOlds(encode(olds));
    request.setOldInputs(encode(olds));
    request.setNews(encode(news));
    return differenceOf(
      await call<pb.DiffResponse>((done) => this.client.diffConfig(request, done)),
    );
  }

  /** All values are texts, as in the provider resource's inputs. */
  async configure(config: Readonly<Record<string, string>>): Promise<void> {
    const request = new pb.ConfigureRequest();
    for (const [key, value] of Object.entries(config)) {
      request.getVariablesMap().set(`kubernetes:config:${key}`, value);
    }
    request.setArgs(encode(config));
    request.setAcceptsecrets(true);
    await call<pb.ConfigureResponse>((done) => this.client.configure(request, done));
  }

  async check(news: ValueMap, olds: ValueMap = {}): Promise<ValueMap> {
    const request = new pb.CheckRequest();
    request.setUrn(urnOf(news));
    request.setNews(encode(news));
    request.setOlds(encode(olds));
    const response = await call<pb.CheckResponse>((done) => this.client.check(request, done));
    const [failure] = response.getFailuresList();
    if (failure !== undefined) throw new Error(failure.getReason());
    return decode(response.getInputs());
  }

  async diff(recorded: Recorded, news: ValueMap, ignored: string[] = []): Promise<Difference> {
    const request = new pb.DiffRequest();
    request.setId(recorded.id);
    request.setUrn(urnOf(news));
    request.setOlds(encode(recorded.state));
    request.setOldInputs(encode(recorded.inputs));
    request.setNews(encode(news));
    request.setIgnorechangesList(ignored);
    return differenceOf(await call<pb.DiffResponse>((done) => this.client.diff(request, done)));
  }

  /** The id of a preview is empty. */
  async create(news: ValueMap, isPreview = false): Promise<Recorded> {
    const inputs = await this.check(news);
    const request = new pb.CreateRequest();
    request.setUrn(urnOf(news));
    request.setProperties(encode(inputs));
    request.setPreview(isPreview);
    const response = await call<pb.CreateResponse>((done) => this.client.create(request, done));
    return { id: response.getId(), inputs, state: decode(response.getProperties()) };
  }

  /** Undefined: the object is gone. */
  async read({ id, inputs, state }: Recorded): Promise<Recorded | undefined> {
    const request = new pb.ReadRequest();
    request.setId(id);
    request.setUrn(urnOf(inputs));
    request.setInputs(encode(inputs));
    request.setProperties(encode(state));
    const response = await call<pb.ReadResponse>((done) => this.client.read(request, done));
    if (response.getId() === "") return undefined;
    return {
      id: response.getId(),
      inputs: decode(response.getInputs()),
      state: decode(response.getProperties()),
    };
  }

  async update(recorded: Recorded, news: ValueMap, isPreview = false): Promise<Recorded> {
    const inputs = await this.check(news, recorded.inputs);
    const request = new pb.UpdateRequest();
    request.setId(recorded.id);
    request.setUrn(urnOf(news));
    request.setOlds(encode(recorded.state));
    request.setOldInputs(encode(recorded.inputs));
    request.setNews(encode(inputs));
    request.setPreview(isPreview);
    const response = await call<pb.UpdateResponse>((done) => this.client.update(request, done));
    return { id: recorded.id, inputs, state: decode(response.getProperties()) };
  }

  async remove({ id, inputs, state }: Recorded): Promise<void> {
    const request = new pb.DeleteRequest();
    request.setId(id);
    request.setUrn(urnOf(inputs));
    request.setProperties(encode(state));
    request.setOldInputs(encode(inputs));
    await call<Empty>((done) => this.client.delete(request, done));
  }
}

const refused = (_call: unknown, done: grpc.sendUnaryData<never>): void =>
  done({ code: grpc.status.UNIMPLEMENTED });

/** `kubernetes:core/v1:Secret`: the group of old kinds is called core. */
function urnOf(inputs: ValueMap): string {
  const text = (value: unknown): string => String(value instanceof Secret ? value.value : value);
  const version = text(inputs["apiVersion"]);
  const group = version.includes("/") ? version : `core/${version}`;
  return `${STACK}::kubernetes:${group}:${text(inputs["kind"])}::object`;
}

function differenceOf(response: pb.DiffResponse): Difference {
  const detailed = [...response.getDetaileddiffMap().toArray()].map(([path]) => path);
  return {
    changed: response.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
    paths: (detailed.length > 0 ? detailed : response.getDiffsList()).sort(),
    replaces: response.getReplacesList().sort(),
    deleteBeforeReplace: response.getDeletebeforereplace(),
  };
}

function call<R>(start: (done: grpc.requestCallback<R>) => void): Promise<R> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error !== null) reject(new Error(error.details));
      else if (response === undefined) reject(new Error("no response"));
      else resolve(response);
    });
  });
}

function firstLine({ stdout }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (stdout === null) {
      reject(new Error("the plugin has no output"));
      return;
    }
    const lines = createInterface(stdout);
    lines.once("line", (line) => resolve(line.trim()));
    lines.once("close", () => reject(new Error("the plugin has ended")));
  });
}
