import { array, assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { BatchCutter, type CutWindow } from '../../../src/fetcher/cut-batches.ts';
import { planChunks } from '../../../src/fetcher/chunk-plan.ts';
import { Lanes } from '../../../src/fetcher/lanes.ts';
import { planAhead, Sequences } from '../../../src/fetcher/read-ahead.ts';
import { LOG_CHUNK_BYTES, type ObjectManifest } from '../../../src/segment/segment-object.ts';
import { Gate } from '../../support/cache-world.ts';
import { buildSegment, plainBatches } from '../../support/kafka-files.ts';
import { buildObject } from '../../support/segment-objects.ts';
import { readManifest } from '../../../src/segment/segment-object-reader.ts';

async function manifestOf(chunks: number): Promise<ObjectManifest> {
  const { bytes } = await buildObject();
  const read = (range: { start: number; end: number }) =>
    Promise.resolve(bytes.subarray(range.start, range.end));
  const manifest = await readManifest(bytes.length, read, new AbortController().signal);
  const end = chunks * LOG_CHUNK_BYTES - 1000;
  return {
    ...manifest,
    sections: [{ kind: 'log', range: { start: 0, end }, crc: 0 }],
    chunkCrcs: Array.from({ length: chunks }, (_, index) => index + 100),
  };
}

test('the pieces of a plan touch, lie inside their chunks and make up exactly the range', async () => {
  const manifest = await manifestOf(5);
  const logBytes = 5 * LOG_CHUNK_BYTES - 1000;
  const place = integer({ min: 0, max: logBytes });
  assert(
    property(place, place, (left, right) => {
      const range = { start: Math.min(left, right), end: Math.max(left, right) };
      let at = range.start;
      for (const piece of planChunks(manifest, range)) {
        expect(piece.at).toBe(at - range.start);
        expect(piece.ref.chunk * LOG_CHUNK_BYTES + piece.range.start).toBe(at);
        expect(piece.range.end).toBeLessThanOrEqual(piece.ref.bytes);
        expect(piece.ref.crc).toBe(100 + piece.ref.chunk);
        at += piece.range.end - piece.range.start;
      }
      expect(at).toBe(range.end);
    }),
  );
});

test('a plan ahead names the chunks after this one, over the border of the segment', () => {
  expect(planAhead({ chunk: 0, lastChunk: 9 }, 3)).toEqual({ here: [1, 2, 3], there: [] });
  expect(planAhead({ chunk: 8, lastChunk: 9 }, 3)).toEqual({ here: [9], there: [0, 1] });
  expect(planAhead({ chunk: 9, lastChunk: 9 }, 0)).toEqual({ here: [], there: [] });
});

test('a reader is known by where its last answer ended; the oldest of many are forgotten', () => {
  const sequences = new Sequences();
  sequences.ended('p', 0n, 10n);
  expect(sequences.goesOn('p', 10n)).toBe(true);
  expect(sequences.goesOn('q', 10n)).toBe(false);
  sequences.ended('p', 10n, 20n);
  expect(sequences.goesOn('p', 10n)).toBe(false);
  for (let reader = 0n; reader < 8n; reader += 1n) sequences.ended('p', 1n, 1000n + reader);
  expect(sequences.goesOn('p', 20n)).toBe(false);
  expect(sequences.goesOn('p', 1000n)).toBe(true);
});

test('one lane’s waiting is no other’s', async () => {
  const lanes = new Lanes(1);
  const { signal } = new AbortController();
  const hung = new Gate();
  const done: string[] = [];
  const first = lanes.within('a', () => hung.opened, signal);
  const second = lanes.within('a', () => Promise.resolve(done.push('a')), signal);
  await lanes.within('b', () => Promise.resolve(done.push('b')), signal);
  expect(done).toEqual(['b']);
  hung.open();
  await Promise.all([first, second]);
  expect(done).toEqual(['b', 'a']);
});

test('however the log is cut into windows, whole batches from the right one on are sent, each once', async () => {
  const batches = plainBatches(60, { batchRecords: 3, valueBytes: 50 });
  const built = await buildSegment({ baseOffset: 100n, batches });
  const { log } = built;
  const sizes = array(integer({ min: 61, max: 2000 }), { minLength: 1, maxLength: 10 });
  const offsets = integer({ min: 100, max: 159 });
  assert(
    property(sizes, offsets, integer({ min: 100, max: 200 }), (windows, from, bound) => {
      const cutter = new BatchCutter({
        from: BigInt(from),
        bound: BigInt(bound),
        lineage: [{ epoch: 0, startOffset: 0n }],
        segmentStart: 100n,
        segmentNext: 160n,
        isCommittedOnly: false,
      });
      const sent: Buffer[] = [];
      let [position, turn, needBytes, isOver] = [0, 0, 0, false];
      while (!isOver && position < log.length) {
        const size = Math.max(needBytes, windows[turn % windows.length] ?? 61);
        turn += 1;
        const bytes = log.subarray(position, position + size);
        const window: CutWindow = { bytes, position, roomBytes: 1e9, logBytes: log.length };
        const cut = cutter.cut(window);
        sent.push(bytes.subarray(cut.start, cut.end));
        position = cut.position;
        needBytes = cut.largeBytes;
        isOver = cut.stop !== undefined;
      }
      const wanted = built.batches.filter(
        ({ baseOffset, lastOffset }) => lastOffset >= from && baseOffset < bound,
      );
      expect(Buffer.concat(sent).equals(Buffer.concat(wanted.map(({ bytes }) => bytes)))).toBe(
        true,
      );
    }),
  );
});

test('a header that is none is refused whatever byte of it is wrong, and the cutter is as before', async () => {
  const built = await buildSegment({ baseOffset: 100n, batches: plainBatches(30) });
  const rules = {
    from: 100n,
    bound: 130n,
    lineage: [{ epoch: 0, startOffset: 0n }],
    segmentStart: 100n,
    segmentNext: 130n,
    isCommittedOnly: false,
  };
  const second = built.batches[1]?.position ?? 0;
  for (const [at, value] of [
    [0, 0x80], // offset negative
    [7, 0], // offset below the one before
    [8, 0x7f], // longer than the log
    [11, 1], // hardly shorter: the next header is none
    [16, 1], // magic
    [23, 0x80], // last offset below the first
    [25, 0xff], // last offset beyond the segment
  ] as const) {
    const bytes = Buffer.from(built.log);
    bytes[second + at] = value;
    const cutter = new BatchCutter(rules);
    const window = { bytes, position: 0, roomBytes: 1e9, logBytes: bytes.length };
    expect(() => cutter.cut(window)).toThrow(/record batch at byte/);
    expect(cutter.isAnySent).toBe(false);
    expect(cutter.cut({ ...window, bytes: built.log }).end).toBe(built.log.length);
  }
});
