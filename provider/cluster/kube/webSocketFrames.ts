/** Frames of WebSockets as a client sends and receives them: RFC 6455, 5.2. Pure. */
import { randomBytes } from "node:crypto";

export const OPCODES = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

const FIN = 0x80;
const MASKED = 0x80;
/** Lengths that say how many bytes with the real length follow. */
const LONG: Readonly<Record<number, number>> = { 126: 2, 127: 8 };

/** A whole message in one frame, masked as a client must. */
export function frameOf(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const mask = randomBytes(4);
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = FIN | opcode;
  if (head.length === 2) head[1] = MASKED | length;
  if (head.length === 4) {
    head[1] = MASKED | 126;
    head.writeUInt16BE(length, 2);
  }
  if (head.length === 10) {
    head[1] = MASKED | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  const masked = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) masked[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return Buffer.concat([head, mask, masked]);
}

/** A part of a frame's payload. `isFirst`: it begins a message. */
export interface Piece {
  opcode: number;
  isFirst: boolean;
  data: Buffer;
}

/** Reads the frames of a server. Payloads are handed on as they arrive. */
export class FrameReader {
  private head = Buffer.alloc(0);
  private frame: { opcode: number; isFirst: boolean; left: number } | undefined;
  /** Of the message that continuations belong to. */
  private message: number = OPCODES.binary;

  constructor(private readonly onPiece: (piece: Piece) => void) {}

  read(chunk: Buffer): void {
    let rest = chunk;
    for (;;) {
      const frame = this.frame ?? this.begin(rest);
      if (frame === undefined) return;
      if (this.frame === undefined) {
        rest = this.head;
        this.head = Buffer.alloc(0);
        this.frame = frame;
      }
      const data = rest.subarray(0, frame.left);
      rest = rest.subarray(data.length);
      frame.left -= data.length;
      this.onPiece({ opcode: frame.opcode, isFirst: frame.isFirst, data });
      frame.isFirst = false;
      if (frame.left > 0) return;
      this.frame = undefined;
      if (rest.length === 0) return;
    }
  }

  /** Undefined: the head of the frame is incomplete. Else `head` has what is behind it. */
  private begin(more: Buffer): { opcode: number; isFirst: boolean; left: number } | undefined {
    this.head = Buffer.concat([this.head, more]);
    const [first = 0, second = 0] = this.head;
    if (this.head.length < 2) return undefined;
    const short = second & 0x7f;
    const begin = 2 + (LONG[short] ?? 0);
    if (this.head.length < begin) return undefined;
    const left =
      short === 127
        ? Number(this.head.readBigUInt64BE(2))
        : short === 126
          ? this.head.readUInt16BE(2)
          : short;
    this.head = this.head.subarray(begin);
    const opcode = first & 0x0f;
    const isFirst = opcode !== OPCODES.continuation;
    if (opcode === OPCODES.text || opcode === OPCODES.binary) this.message = opcode;
    return { opcode: isFirst ? opcode : this.message, isFirst, left };
  }
}
