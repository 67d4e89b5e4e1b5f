// What tests of stores need: collecting answers, sources that misbehave, outcomes as codes.
import { expect } from 'vitest';
import { LogtierError } from '../../src/base/errors.ts';
import { bytesSource } from '../../src/store/byte-source.ts';
import { STREAM_CHUNK_BYTES } from '../../src/store/object-store.ts';
import type { ByteSource, PutObserver } from '../../src/store/object-store.ts';

/** A signal that never fires. */
export const never: AbortSignal = new AbortController().signal;

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const piece of pieces) {
    expect(piece.length).toBeLessThanOrEqual(STREAM_CHUNK_BYTES);
    copies.push(Buffer.from(piece));
  }
  return Buffer.concat(copies);
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function keysOf(objects: AsyncIterable<{ readonly key: string }>): Promise<string[]> {
  return (await all(objects)).map(({ key }) => key);
}

/** An observer that keeps what it was told. */
export function recorder(): PutObserver & { readonly uploadIds: string[] } {
  const uploadIds: string[] = [];
  return {
    uploadIds,
    uploadStarted: (uploadId) => {
      uploadIds.push(uploadId);
      return Promise.resolve();
    },
  };
}

/** A source that does `act` once the pass has handed out more than `afterBytes`. */
export function interruptedSource(bytes: Buffer, afterBytes: number, act: () => void): ByteSource {
  const whole = bytesSource(bytes);
  return {
    sizeBytes: whole.sizeBytes,
    crc32: (range) => whole.crc32(range),
    read: async function* (range, signal) {
      let position = range.start;
      for await (const piece of whole.read(range, signal)) {
        yield piece;
        position += piece.length;
        if (position > afterBytes) act();
      }
    },
  };
}

/** Runs every task of `tasks`, `width` at a time. */
export async function inParallel(
  tasks: readonly (() => Promise<unknown>)[],
  width: number,
): Promise<void> {
  const queue = [...tasks];
  const worker = async (): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await task();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

export async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome;
    return 'resolved';
  } catch (error) {
    return error instanceof LogtierError ? error.code : `not ours: ${String(error)}`;
  }
}
