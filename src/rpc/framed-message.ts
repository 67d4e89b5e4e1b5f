// Messages that are sent as they are: the frame, the field's tag and the payload stand in one buffer that
// the caller fills, so that a chunk of a segment is never copied on its way out.
//
// grpc-js copies every serialised message behind a 5-byte frame (server-interceptors.js, serializeMessage).
// One private method is replaced; test/unit/rpc/framed-message.test.ts fails when a release moves it.
import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';
import { assert } from '../base/assert.ts';

/** gRPC's message frame: one byte of flags, the length as uint32 (grpc PROTOCOL-HTTP2.md). */
const FRAME_BYTES = 5;

/** Protobuf's wire type of a `bytes` field. */
const LENGTH_DELIMITED = 2;

/** A message with one `bytes` field, ready for the wire once `payload` is filled. */
export class FramedMessage {
  readonly payload: Buffer;
  readonly frame: Buffer;
  /** Called when the connection has taken the whole frame: its memory may be used again. Never after a failure. */
  readonly sent: () => void;

  constructor(frame: Buffer, payload: Buffer, sent: () => void = nothing) {
    this.frame = frame;
    this.payload = payload;
    this.sent = sent;
  }
}

function nothing(): void {
  // memory that is nobody's is left to the garbage collector
}

/** More than the head of any message that `frameInPlace` makes. */
export const FRAME_HEADROOM_BYTES = 16;

/**
 * A message over bytes [start, end) of a buffer that is used again: its head is written right before them,
 * over at most FRAME_HEADROOM_BYTES.
 */
export function frameInPlace(
  field: number,
  { buffer, start, end }: { readonly buffer: Buffer; readonly start: number; readonly end: number },
  sent: () => void,
): FramedMessage {
  const head = [...varint(field * 8 + LENGTH_DELIMITED), ...varint(end - start)];
  const frame = buffer.subarray(start - head.length - FRAME_BYTES, end);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(head.length + end - start, 1);
  frame.set(head, FRAME_BYTES);
  return new FramedMessage(frame, buffer.subarray(start, end), sent);
}

/** Room for `payloadBytes` as the only field, number `field`, of a message. */
export function framedMessage(field: number, payloadBytes: number): FramedMessage {
  const head = [...varint(field * 8 + LENGTH_DELIMITED), ...varint(payloadBytes)];
  const frame = Buffer.allocUnsafe(FRAME_BYTES + head.length + payloadBytes);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(head.length + payloadBytes, 1);
  frame.set(head, FRAME_BYTES);
  return new FramedMessage(frame, frame.subarray(FRAME_BYTES + head.length));
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

const frames = new WeakSet<Buffer>();

/** What a framed message serialises to: grpc-js sends it untouched. */
export function frameToSend(message: FramedMessage): Buffer {
  frames.add(message.frame);
  return message.frame;
}

function framed(message: Buffer): Buffer {
  const output = Buffer.allocUnsafe(FRAME_BYTES + message.byteLength);
  output.writeUInt8(0, 0);
  output.writeUInt32BE(message.byteLength, 1);
  message.copy(output, FRAME_BYTES);
  return output;
}

function serializeMessage(this: BaseServerInterceptingCall, value: unknown): Buffer {
  const message = this['handler'].serialize(value);
  return frames.has(message) ? message : framed(message);
}

/** Once per process, before the first server starts. Idempotent. */
export function sendFramesUncopied(): void {
  const call = BaseServerInterceptingCall.prototype;
  assert(typeof call['serializeMessage'] === 'function', 'grpc-js 1.14 serialises in one method');
  call['serializeMessage'] = serializeMessage;
}
