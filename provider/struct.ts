/**
 * The bytes of a google.protobuf.Struct <-> property maps, without the message objects of
 * google-protobuf in between, which cost the provider more than its own work
 * (docs/performance.md). The encoding: protobuf.dev/programming-guides/encoding,
 * google/protobuf/struct.proto.
 */
import { Secret, Unknown, isMap, marked, secretMarks, unknownOr, UNKNOWN_STRING } from "./wire";
import type { Value, ValueMap } from "./wire";

/** A field's tag: its number, and how its value is encoded. */
const tag = (field: number, encoding: number): number => (field << 3) | encoding;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const NOT_ASCII = /[\x80-\xff]/;

/** Struct.fields and ListValue.values. */
const ITEM = tag(1, BYTES);
const KEY = tag(1, BYTES);
const VALUE = tag(2, BYTES);
const NULL = tag(1, VARINT);
const NUMBER = tag(2, FIXED64);
const STRING = tag(3, BYTES);
const BOOLEAN = tag(4, VARINT);
const STRUCT = tag(5, BYTES);
const LIST = tag(6, BYTES);

/** The properties that the bytes of a Struct hold. */
export function decodeStruct(bytes: Uint8Array): ValueMap {
  const value = new Reader(bytes).struct(bytes.length);
  return isMap(value) ? value : {};
}

/** The bytes of a Struct with these properties. Secrets keep their mark. */
export function encodeStruct(map: ValueMap): Uint8Array {
  const writer = new Writer();
  writer.struct(map);
  return writer.written();
}

/** Reads protobuf from front to back. */
export class Reader {
  private readonly bytes: Buffer;
  private latin1: string | undefined;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at];
      if (byte === undefined) throw endsTooEarly();
      this.at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** Reads the length of what follows, and answers where that ends. */
  end(): number {
    const length = this.varint();
    const end = this.at + length;
    if (end > this.bytes.length) throw endsTooEarly();
    return end;
  }

  skip(of: number): void {
    const encoding = of & 7;
    if (encoding === VARINT) this.varint();
    else if (encoding === FIXED64) this.at += 8;
    else if (encoding === BYTES) this.at = this.end();
    else if (encoding === FIXED32) this.at += 4;
    else throw new Error(`protobuf: unknown encoding ${encoding}`);
  }

  struct(end: number): Value {
    const map: ValueMap = {};
    while (this.at < end) {
      const of = this.varint();
      if (of === ITEM) this.property(map, this.end());
      else this.skip(of);
    }
    return marked(map);
  }

  private property(map: ValueMap, end: number): void {
    let key = "";
    let value: Value = null;
    while (this.at < end) {
      const of = this.varint();
      if (of === KEY) key = this.text();
      else if (of === VALUE) value = this.value(this.end());
      else this.skip(of);
    }
    if (key !== "__proto__") map[key] = value;
    else Object.defineProperty(map, key, { value, enumerable: true, configurable: true });
  }

  private value(end: number): Value {
    let value: Value = null;
    while (this.at < end) {
      const of = this.varint();
      if (of === STRING) value = unknownOr(this.text());
      else if (of === BOOLEAN) value = this.varint() !== 0;
      else if (of === NUMBER) value = this.number();
      else if (of === STRUCT) value = this.struct(this.end());
      else if (of === LIST) value = this.list(this.end());
      else this.skip(of);
    }
    return value;
  }

  private list(end: number): Value[] {
    const list: Value[] = [];
    while (this.at < end) {
      const of = this.varint();
      if (of === ITEM) list.push(this.value(this.end()));
      else this.skip(of);
    }
    return list;
  }

  /** A slice of one string for all bytes: a tenth of the cost of decoding each text by itself. */
  private text(): string {
    const end = this.end();
    this.latin1 ??= this.bytes.toString("latin1");
    const slice = this.latin1.slice(this.at, end);
    const text = NOT_ASCII.test(slice) ? this.bytes.toString("utf8", this.at, end) : slice;
    this.at = end;
    return text;
  }

  private number(): number {
    if (this.at + 8 > this.bytes.length) throw endsTooEarly();
    const number = this.bytes.readDoubleLE(this.at);
    this.at += 8;
    return number;
  }
}

function endsTooEarly(): Error {
  return new Error("a protobuf message ends too early");
}

/** Writes protobuf from back to front: the length of a message is known when it is written. */
export class Writer {
  private bytes = Buffer.allocUnsafe(2048);
  private at = this.bytes.length;

  written(): Uint8Array {
    return this.bytes.subarray(this.at);
  }

  /** A field that holds what `write` writes. */
  message(of: number, write: () => void): void {
    const before = this.size();
    write();
    this.varint(this.size() - before);
    this.varint(of);
  }

  struct(map: ValueMap): void {
    for (const [key, value] of Object.entries(map).reverse()) this.property(key, value);
  }

  private property(key: string, value: Value): void {
    this.message(ITEM, () => {
      this.message(VALUE, () => this.value(value));
      this.text(KEY, key);
    });
  }

  private value(value: Value): void {
    if (typeof value === "string") this.text(STRING, value);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "boolean") this.flag(BOOLEAN, value);
    else if (value === null) this.flag(NULL, false);
    else if (Array.isArray(value)) this.message(LIST, () => this.list(value));
    else if (value instanceof Unknown) this.text(STRING, UNKNOWN_STRING);
    else {
      const map = value instanceof Secret ? secretMarks(value) : value;
      this.message(STRUCT, () => this.struct(map));
    }
  }

  private list(list: readonly Value[]): void {
    for (const item of [...list].reverse()) this.message(ITEM, () => this.value(item));
  }

  private text(of: number, text: string): void {
    const length = Buffer.byteLength(text);
    this.back(length);
    this.bytes.write(text, this.at);
    this.varint(length);
    this.varint(of);
  }

  private number(number: number): void {
    this.back(8);
    this.bytes.writeDoubleLE(number, this.at);
    this.varint(NUMBER);
  }

  private flag(of: number, flag: boolean): void {
    this.varint(flag ? 1 : 0);
    this.varint(of);
  }

  private varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
    this.back(size);
    let rest = value;
    for (let index = 0; index < size; index++, rest = Math.floor(rest / 128)) {
      this.bytes[this.at + index] = (rest % 128) + (index < size - 1 ? 128 : 0);
    }
  }

  private size(): number {
    return this.bytes.length - this.at;
  }

  /** Makes room for `length` bytes before what is written. */
  private back(length: number): void {
    if (this.at < length) {
      const larger = Buffer.allocUnsafe(2 * (this.bytes.length + length));
      const at = larger.length - this.size();
      this.bytes.copy(larger, at, this.at);
      this.bytes = larger;
      this.at = at;
    }
    this.at -= length;
  }
}
