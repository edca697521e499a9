/** Frames of WebSockets: of each length, in pieces of each size. */
import fc from "fast-check";
import {
  FrameReader,
  OPCODES,
  frameOf,
} from "../../../../../provider/cluster/kube/webSocketFrames";
import type { Piece } from "../../../../../provider/cluster/kube/webSocketFrames";

/** A server's frame, which has no mask. */
function served(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

function readIn(bytes: Buffer, size: number): Piece[] {
  const pieces: Piece[] = [];
  const reader = new FrameReader((piece) => pieces.push(piece));
  for (let at = 0; at < bytes.length; at += size) reader.read(bytes.subarray(at, at + size));
  return pieces;
}

const lengths = fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_000);

test("reads frames of each length, however they are cut", () => {
  fc.assert(
    fc.property(
      fc.array(lengths, { maxLength: 4 }),
      fc.integer({ min: 1, max: 9_000 }),
      (all, size) => {
        const payloads = all.map((length, index) => Buffer.alloc(length, index + 1));
        const bytes = Buffer.concat(payloads.map((payload) => served(0x82, payload)));
        const pieces = readIn(bytes, size);
        expect(pieces.filter(({ isFirst }) => isFirst)).toHaveLength(all.length);
        const read = Buffer.concat(pieces.map(({ data }) => data));
        expect(read.equals(Buffer.concat(payloads))).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

test("a continuation belongs to the message before it, also behind a ping", () => {
  const bytes = Buffer.concat([
    served(0x02, Buffer.from("a")),
    served(0x89, Buffer.from("ping")),
    served(0x80, Buffer.from("b")),
  ]);
  expect(
    readIn(bytes, 100).map(({ opcode, isFirst, data }) => [opcode, isFirst, String(data)]),
  ).toEqual([
    [OPCODES.binary, true, "a"],
    [OPCODES.ping, true, "ping"],
    [OPCODES.binary, false, "b"],
  ]);
});

test("masks what a client sends", () => {
  for (const length of [0, 5, 126, 65_536]) {
    const payload = Buffer.alloc(length, "x");
    const frame = frameOf(OPCODES.binary, payload);
    const begin = frame.length - length;
    const mask = frame.subarray(begin - 4, begin);
    const opened = frame.subarray(begin).map((byte, at) => byte ^ (mask[at & 3] ?? 0));
    expect(Buffer.from(opened).equals(payload)).toBe(true);
    expect(frame[0]).toBe(0x82);
    expect((frame[1] ?? 0) & 0x80).toBe(0x80);
  }
});
