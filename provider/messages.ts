/**
 * Requests and responses of Pulumi's ResourceProvider service. Their properties are Structs,
 * which struct.ts decodes and encodes; the message classes of the SDK handle the other fields.
 * The numbers of the fields are those of pulumi/pulumi proto/pulumi/provider.proto.
 */
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { Reader, Writer, decodeStruct } from "./struct";
import type { ValueMap } from "./wire";

/** Name of a Struct among the fields of a message -> its number. */
type Fields = Readonly<Record<string, number>>;

export interface Request<M, F extends Fields> {
  /** All fields but the Structs. */
  message: M;
  /** Decodes a Struct; undefined if the request has none. */
  properties: (name: keyof F & string) => ValueMap | undefined;
}

interface MessageType<M> {
  deserializeBinary(bytes: Uint8Array): M;
}
interface Message {
  serializeBinary(): Uint8Array;
}

/** A decoder of requests: separates the Structs in `fields` from the rest of the message. */
function requestOf<M, F extends Fields>(type: MessageType<M>, fields: F) {
  const numbers = new Set(Object.values(fields));
  return (bytes: Buffer): Request<M, F> => {
    const structs = new Map<number, Uint8Array>();
    const rest: Uint8Array[] = [];
    const reader = new Reader(bytes);
    while (reader.at < bytes.length) {
      const start = reader.at;
      const tag = reader.varint();
      const number = tag >>> 3;
      if (numbers.has(number)) {
        const end = reader.end();
        structs.set(number, bytes.subarray(reader.at, end));
        reader.at = end;
      } else {
        reader.skip(tag);
        rest.push(bytes.subarray(start, reader.at));
      }
    }
    return {
      message: type.deserializeBinary(Buffer.concat(rest)),
      properties: (name) => {
        const struct = structs.get(fields[name] ?? 0);
        return struct && decodeStruct(struct);
      },
    };
  };
}

/** The bytes of a message: Structs by the numbers of their fields, and its other fields. */
function responseOf(message: Message, structs: Readonly<Record<number, ValueMap>>): Buffer {
  const writer = new Writer();
  for (const [number, map] of Object.entries(structs)) {
    writer.message((Number(number) << 3) | 2, () => writer.struct(map));
  }
  return Buffer.concat([message.serializeBinary(), writer.written()]);
}

const checkRequest = requestOf(pb.CheckRequest, { olds: 2, news: 3 });
const diffRequest = requestOf(pb.DiffRequest, { olds: 3, news: 4, oldInputs: 6 });
const configureRequest = requestOf(pb.ConfigureRequest, { args: 2 });
const createRequest = requestOf(pb.CreateRequest, { properties: 2 });
const readRequest = requestOf(pb.ReadRequest, { properties: 3, inputs: 4 });
const updateRequest = requestOf(pb.UpdateRequest, { olds: 3, news: 4, oldInputs: 8 });
const deleteRequest = requestOf(pb.DeleteRequest, { properties: 3, oldInputs: 5 });
export type CheckRequest = ReturnType<typeof checkRequest>;
export type DiffRequest = ReturnType<typeof diffRequest>;
export type ConfigureRequest = ReturnType<typeof configureRequest>;
export type CreateRequest = ReturnType<typeof createRequest>;
export type ReadRequest = ReturnType<typeof readRequest>;
export type UpdateRequest = ReturnType<typeof updateRequest>;
export type DeleteRequest = ReturnType<typeof deleteRequest>;

export const checkResponse = (message: pb.CheckResponse, inputs: ValueMap): Buffer =>
  responseOf(message, { 1: inputs });
export const createResponse = (message: pb.CreateResponse, properties: ValueMap): Buffer =>
  responseOf(message, { 2: properties });
/** Without properties: the resource is gone. */
export const readResponse = (
  message: pb.ReadResponse,
  found?: { properties: ValueMap; inputs: ValueMap },
): Buffer =>
  responseOf(message, found === undefined ? {} : { 2: found.properties, 3: found.inputs });
export const updateResponse = (properties: ValueMap): Buffer =>
  responseOf(new pb.UpdateResponse(), { 1: properties });
export const initFailed = (
  message: pb.ErrorResourceInitFailed,
  properties: ValueMap,
  inputs: ValueMap,
): Buffer => responseOf(message, { 2: properties, 4: inputs });

/** A method whose request has Structs. */
function receiving<M extends object, R>(method: M, requestDeserialize: (bytes: Buffer) => R) {
  return { ...method, requestDeserialize };
}

/** A method whose response is one of the above. */
function answering<M extends object>(method: M) {
  return { ...method, responseSerialize: (bytes: Buffer): Buffer => bytes };
}

const methods = ResourceProviderService;
/** The service as @grpc/grpc-js is given it. */
export const SERVICE = {
  ...methods,
  checkConfig: answering(receiving(methods.checkConfig, checkRequest)),
  diffConfig: receiving(methods.diffConfig, diffRequest),
  configure: receiving(methods.configure, configureRequest),
  check: answering(receiving(methods.check, checkRequest)),
  diff: receiving(methods.diff, diffRequest),
  create: answering(receiving(methods.create, createRequest)),
  read: answering(receiving(methods.read, readRequest)),
  update: answering(receiving(methods.update, updateRequest)),
  delete: receiving(methods.delete, deleteRequest),
};
