import {
  type Arbitrary,
  array,
  assert,
  bigInt,
  boolean,
  integer,
  nat,
  property,
  record,
  uint8Array,
} from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHeader, encodeHeader, HEADER_BYTES } from '../../../src/cache/slot-header.ts';
import {
  decodeSlotIndex,
  encodeSlotIndex,
  loadSlotIndex,
  saveSlotIndex,
  type SlotIndex,
} from '../../../src/cache/slot-index.ts';
import { chunkOf } from '../../support/cache-world.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

function bytesOf(length: number): Arbitrary<Buffer> {
  return uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));
}

const indexes: Arbitrary<SlotIndex> = record({
  kernelBootId: bytesOf(16),
  file: record({
    dev: bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    ino: bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    sizeBytes: nat(),
  }),
  entries: array(record({ slot: nat(), header: bytesOf(HEADER_BYTES), isMain: boolean() }), {
    maxLength: 5,
  }),
});

test('an index reads back as it was written', () => {
  assert(
    property(indexes, (index) => {
      expect(decodeSlotIndex(encodeSlotIndex(index))).toEqual(index);
    }),
  );
});

test('an index with any byte changed, or cut anywhere, is no index', () => {
  assert(
    property(indexes, nat(), integer({ min: 1, max: 255 }), (index, place, change) => {
      const bytes = encodeSlotIndex(index);
      const at = place % bytes.length;
      expect(decodeSlotIndex(bytes.subarray(0, at))).toBeUndefined();
      bytes[at] = (bytes[at] ?? 0) ^ change;
      expect(decodeSlotIndex(bytes)).toBeUndefined();
    }),
  );
});

test('an index on disk is the old one or the new one, whenever power is lost', async () => {
  for (let failing = 0; failing < 12; failing += 1) {
    const disk = new MemoryDisk();
    await disk.makeDirectory('/cache');
    const [old, young] = [1, 2].map((sizeBytes) => ({
      kernelBootId: Buffer.alloc(16, 1),
      file: { dev: 1n, ino: 2n, sizeBytes },
      entries: [],
    }));
    await saveSlotIndex(disk, '/cache', '/cache/slots.index', old!);
    let operations = 0;
    disk.schedule = () => {
      operations += 1;
      return operations > failing ? Promise.reject(new Error('power')) : Promise.resolve();
    };
    await saveSlotIndex(disk, '/cache', '/cache/slots.index', young!).catch(() => undefined);
    disk.schedule = () => Promise.resolve();
    disk.crash(() => 0.5);
    expect([old, young]).toContainEqual(await loadSlotIndex(disk, '/cache/slots.index'));
  }
});

test('a slot header names its chunk; a zero page and a flipped bit name none', () => {
  const { ref } = chunkOf(3, 9);
  const header = encodeHeader(ref, { bootId: Buffer.alloc(16, 7), counter: 5n });
  expect(decodeHeader(header)).toEqual(ref);
  expect(decodeHeader(Buffer.alloc(HEADER_BYTES))).toBeUndefined();
  for (let at = 0; at < HEADER_BYTES; at += 1) {
    const torn = Buffer.from(header);
    torn[at] = (torn[at] ?? 0) ^ 0x10;
    expect(decodeHeader(torn)).toBeUndefined();
  }
});
