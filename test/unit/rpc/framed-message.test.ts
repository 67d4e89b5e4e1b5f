import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReadObjectResponse } from '../../../src/gen/logtier/v1/operator.ts';
import {
  FRAME_HEADROOM_BYTES,
  frameInPlace,
  type FramedMessage,
  framedMessage,
  frameToSend,
  sendFramesUncopied,
} from '../../../src/rpc/framed-message.ts';

/** Field of ReadObjectResponse. */
const CHUNK = 2;

/** gRPC's frame, then what the generated codec reads. */
function payloadOf({ frame }: FramedMessage): Buffer {
  expect(frame.readUInt8(0)).toBe(0);
  expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
  const { message } = ReadObjectResponse.decode(frame.subarray(5));
  return message?.$case === 'chunk' ? message.value : Buffer.from('no chunk');
}

function serializes(value: Buffer): Buffer {
  // What grpc-js does with a handler's message; fails when a release moves the method.
  const call = { handler: { serialize: () => value } };
  return BaseServerInterceptingCall.prototype['serializeMessage'].call(call, {});
}

test('a framed message is what the generated codec would have written', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000, minLength: 1 }), (bytes) => {
      const message = framedMessage(CHUNK, bytes.length);
      message.payload.set(bytes);
      expect(payloadOf(message)).toEqual(Buffer.from(bytes));
      const own = ReadObjectResponse.encode({
        message: { $case: 'chunk', value: Buffer.from(bytes) },
      }).finish();
      expect(message.frame.subarray(5)).toEqual(Buffer.from(own));
    }),
  );
});

test('a head can be written in front of bytes that stand in reused memory', () => {
  const buffer = Buffer.alloc(FRAME_HEADROOM_BYTES + 1000, 7);
  const place = { buffer, start: FRAME_HEADROOM_BYTES, end: FRAME_HEADROOM_BYTES + 300 };
  const message = frameInPlace(CHUNK, place, () => undefined);
  expect(message.frame.buffer).toBe(buffer.buffer);
  expect(payloadOf(message)).toEqual(Buffer.alloc(300, 7));
});

test('grpc-js sends a framed message uncopied and frames all others as before', () => {
  sendFramesUncopied();
  sendFramesUncopied();
  const message = framedMessage(1, 10);
  expect(serializes(frameToSend(message))).toBe(message.frame);
  expect(serializes(Buffer.from('abc'))).toEqual(Buffer.from([0, 0, 0, 0, 3, 97, 98, 99]));
});
