// What every ObjectStore promises. Run for each home on each check, and for real servers in test/e2e.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/checksum.ts';
import { LogtierError } from '../../src/base/errors.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { bytesSource, chunkCrcs, fileSource } from '../../src/store/byte-source.ts';
import { CHUNK_BYTES, nobody, STREAM_CHUNK_BYTES } from '../../src/store/object-store.ts';
import type { ByteSource, ObjectStore, PutObserver } from '../../src/store/object-store.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import {
  all,
  codeOf,
  collect,
  inParallel,
  interruptedSource,
  keysOf,
  never,
  recorder,
} from '../support/store-probes.ts';

export interface OpenedStore {
  readonly store: ObjectStore;
  readonly close: () => Promise<void>;
}

/** Enough for a page of 1,000 keys and a bit of the next. */
const MANY_KEYS = 1_100;

/** Larger than two default parts of a multipart upload, and no multiple of anything. */
const LARGE_BYTES = 20 * 2 ** 20 + 12_345;

export interface ContractOptions {
  /** Bytes of the large object; a slow server may take a smaller one. */
  readonly largeBytes?: number;
  /** Keys of the paging test. */
  readonly manyKeys?: number;
}

/** The suite of the interface in src/store/object-store.ts; `open` gives an empty store. */
export function describeObjectStore(
  name: string,
  open: () => Promise<OpenedStore>,
  options: ContractOptions = {},
): void {
  const largeBytes = options.largeBytes ?? LARGE_BYTES;
  const manyKeys = options.manyKeys ?? MANY_KEYS;

  describe(`the object store contract: ${name}`, () => {
    let opened: OpenedStore;
    let store: ObjectStore;
    let scratch: string;
    let tests = 0;

    beforeAll(async () => {
      scratch = await mkdtemp(path.join(tmpdir(), 'logtier-contract-'));
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await opened.close();
      await rm(scratch, { recursive: true, force: true });
    });

    /** A key of this test alone. */
    const keyMaker = (): ((leaf: string) => string) => {
      tests += 1;
      const prefix = `cluster/topic-${String(tests).padStart(2, '0')}`;
      return (leaf) => `${prefix}/${leaf}`;
    };
    const putBytes = (key: string, bytes: Buffer) =>
      store.put(key, bytesSource(bytes), nobody, never);
    const read = (key: string, start: number, end: number) =>
      collect(store.get(key, { start, end }, never));
    const listed = (prefix: string, after: string) => keysOf(store.list(prefix, after, never));
    const isReadable = async (key: string) => (await codeOf(store.stat(key, never))) === 'resolved';

    describe('sizes', () => {
      const sizes = [1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, largeBytes];
      test.each(sizes)('an object of %i bytes comes back as it went', async (sizeBytes) => {
        const key = keyMaker()('object.segment');
        const bytes = sampleBytes(sizeBytes, sizeBytes);
        const stored = await putBytes(key, bytes);
        expect(stored).toMatchObject({ key, sizeBytes });
        expect([crc32(bytes), undefined]).toContain(stored.crc32);
        expect(stored.modifiedMs).toBeGreaterThan(1_600_000_000_000);
        expect((await read(key, 0, sizeBytes)).equals(bytes)).toBe(true);
        expect(await store.stat(key, never)).toMatchObject({ key, sizeBytes });
      });
    });

    describe('ranges', () => {
      const bytes = sampleBytes(3 * STREAM_CHUNK_BYTES + 77, 5);
      const cases: readonly [string, number, number][] = [
        ['the first byte', 0, 1],
        ['the start', 0, 4096],
        ['the middle, over a border', STREAM_CHUNK_BYTES - 10, 2 * STREAM_CHUNK_BYTES + 10],
        ['the last byte', bytes.length - 1, bytes.length],
        ['the whole', 0, bytes.length],
        ['nothing', 500, 500],
      ];
      let key: string;
      beforeAll(async () => {
        key = keyMaker()('ranges.segment');
        await putBytes(key, bytes);
      });

      test.each(cases)('a get streams exactly %s', async (_name, start, end) => {
        expect((await read(key, start, end)).equals(bytes.subarray(start, end))).toBe(true);
      });

      test('a range that leaves the object is refused before a byte', async () => {
        expect(await codeOf(read(key, bytes.length - 5, bytes.length + 5))).toBe('STORE_REFUSED');
        expect(await codeOf(read(key, bytes.length + 5, bytes.length + 9))).toBe('STORE_REFUSED');
      });

      test('many gets at once do not mix their bytes', async () => {
        const starts = Array.from({ length: 8 }, (_, index) => index * 300_000);
        const found = await Promise.all(starts.map((start) => read(key, start, start + 900_000)));
        found.forEach((piece, index) => {
          const start = starts[index]!;
          expect(piece.equals(bytes.subarray(start, start + 900_000))).toBe(true);
        });
      });

      test('loops that are left early free what they hold', async () => {
        for (let round = 0; round < 40; round += 1) {
          for await (const piece of store.get(key, { start: 0, end: bytes.length }, never)) {
            expect(piece[0]).toBe(bytes[0]);
            break;
          }
        }
        expect((await read(key, 0, bytes.length)).equals(bytes)).toBe(true);
      });

      test('a get that is cancelled ends with ABORTED', async () => {
        const controller = new AbortController();
        const readAll = async (): Promise<void> => {
          const whole = { start: 0, end: bytes.length };
          for await (const piece of store.get(key, whole, controller.signal)) {
            expect(piece.length).toBeGreaterThan(0);
            controller.abort();
          }
        };
        expect(await codeOf(readAll())).toBe('ABORTED');
      });
    });

    describe('what is not there', () => {
      test('get and stat say OBJECT_NOT_FOUND, a get before its first byte', async () => {
        const key = keyMaker()('absent.segment');
        const pieces: Uint8Array[] = [];
        const readAll = async (): Promise<void> => {
          for await (const piece of store.get(key, { start: 0, end: 10 }, never)) {
            pieces.push(piece);
          }
        };
        expect(await codeOf(readAll())).toBe('OBJECT_NOT_FOUND');
        expect(pieces).toEqual([]);
        expect(await codeOf(store.stat(key, never))).toBe('OBJECT_NOT_FOUND');
        expect(await codeOf(read(key, 0, 0))).toBe('OBJECT_NOT_FOUND');
      });

      test('the parent of a key is no object', async () => {
        const key = keyMaker();
        await putBytes(key('parent/leaf'), Buffer.from('x'));
        expect(await codeOf(store.stat(key('parent'), never))).toBe('OBJECT_NOT_FOUND');
        expect(await codeOf(read(key('parent'), 0, 1))).toBe('OBJECT_NOT_FOUND');
      });
    });

    describe('one key, one content', () => {
      test.each([700, CHUNK_BYTES + 3])(
        'a repeated put of %i bytes resolves as the first did',
        async (sizeBytes) => {
          const key = keyMaker()('twice.segment');
          const bytes = sampleBytes(sizeBytes, 11);
          const first = await putBytes(key, bytes);
          expect(await putBytes(key, bytes)).toEqual(first);
        },
      );

      test('another content of the same size is OBJECT_EXISTS and changes nothing', async () => {
        const key = keyMaker()('other.segment');
        const bytes = sampleBytes(5000, 12);
        await putBytes(key, bytes);
        expect(await codeOf(putBytes(key, sampleBytes(5000, 13)))).toBe('OBJECT_EXISTS');
        expect((await read(key, 0, 5000)).equals(bytes)).toBe(true);
      });

      test('a large put never replaces a small object', async () => {
        const key = keyMaker()('other-size.segment');
        const bytes = sampleBytes(5000, 14);
        await putBytes(key, bytes);
        expect(await codeOf(putBytes(key, sampleBytes(largeBytes, 15)))).toBe('OBJECT_EXISTS');
        expect((await read(key, 0, 5000)).equals(bytes)).toBe(true);
      });

      test.each([2000, CHUNK_BYTES * 2])(
        'of racing puts of %i different bytes one wins, and nobody sees a part',
        async (sizeBytes) => {
          const key = keyMaker()('race.segment');
          const contents = [21, 22, 23, 24].map((seed) => sampleBytes(sizeBytes, seed));
          const race = new AbortController();
          const seen = new Set<string>();
          const watch = async (): Promise<void> => {
            while (!race.signal.aborted) {
              const look = async (): Promise<void> => {
                const found = await read(key, 0, sizeBytes);
                seen.add(String(contents.findIndex((bytes) => bytes.equals(found))));
              };
              const outcome = await codeOf(look());
              expect(['resolved', 'OBJECT_NOT_FOUND']).toContain(outcome);
            }
          };
          const watching = watch();
          const outcomes = await Promise.all(contents.map((bytes) => codeOf(putBytes(key, bytes))));
          const found = await read(key, 0, sizeBytes);
          race.abort();
          await watching;
          const winner = outcomes.indexOf('resolved');
          expect(outcomes.filter((outcome) => outcome === 'resolved')).toHaveLength(1);
          expect(outcomes.filter((outcome) => outcome === 'OBJECT_EXISTS')).toHaveLength(3);
          expect(found.equals(contents[winner]!)).toBe(true);
          expect([...seen].filter((index) => index !== String(winner))).toEqual([]);
        },
      );

      test('racing puts of one content all resolve', async () => {
        const key = keyMaker()('same-race.segment');
        const bytes = sampleBytes(3000, 31);
        const outcomes = await Promise.all([1, 2, 3, 4].map(() => codeOf(putBytes(key, bytes))));
        expect(outcomes).toEqual(['resolved', 'resolved', 'resolved', 'resolved']);
      });
    });

    describe('puts that fail', () => {
      const cases = [3 * STREAM_CHUNK_BYTES, largeBytes];

      test.each(cases)('a source of %i bytes that fails midway leaves no object', async (size) => {
        const key = keyMaker()('broken.segment');
        const bytes = sampleBytes(size, 41);
        const source = interruptedSource(bytes, size / 2, () => {
          throw new LogtierError('SOURCE_GONE', 'the disk went away');
        });
        const observer = recorder();
        expect(await codeOf(store.put(key, source, observer, never))).toBe('SOURCE_GONE');
        expect(await isReadable(key)).toBe(false);
        await store.abandon(key, observer.uploadIds, never);
        expect(await codeOf(putBytes(key, bytes))).toBe('resolved');
      });

      test.each(cases)('a put of %i bytes that is cancelled leaves no object', async (size) => {
        const key = keyMaker()('cancelled.segment');
        const controller = new AbortController();
        const source = interruptedSource(sampleBytes(size, 42), size / 3, () => {
          controller.abort();
        });
        const observer = recorder();
        expect(await codeOf(store.put(key, source, observer, controller.signal))).toBe('ABORTED');
        expect(await isReadable(key)).toBe(false);
        await store.abandon(key, observer.uploadIds, never);
        await store.abandon(key, observer.uploadIds, never);
        expect(await isReadable(key)).toBe(false);
        const parent = key.slice(0, key.lastIndexOf('/'));
        expect(await keysOf(store.list(parent, '', never))).toEqual([]);
      });

      test('a put that was cancelled before it began sends nothing', async () => {
        const key = keyMaker()('early.segment');
        const outcome = store.put(key, bytesSource(Buffer.from('x')), nobody, AbortSignal.abort());
        expect(await codeOf(outcome)).toBe('ABORTED');
        expect(await isReadable(key)).toBe(false);
      });

      test('an observer that fails stops the put before a byte', async () => {
        const key = keyMaker()('unrecorded.segment');
        let passes = 0;
        const whole = bytesSource(sampleBytes(largeBytes, 43));
        const source: ByteSource = {
          ...whole,
          read: (range, signal) => {
            passes += 1;
            return whole.read(range, signal);
          },
        };
        const observer: PutObserver = {
          uploadStarted: () => Promise.reject(new LogtierError('METASTORE_UNAVAILABLE', 'gone')),
        };
        const outcome = await codeOf(store.put(key, source, observer, never));
        expect([outcome, passes, await isReadable(key)]).toEqual([
          'METASTORE_UNAVAILABLE',
          0,
          false,
        ]);
      });

      test.each([STREAM_CHUNK_BYTES + 5, largeBytes])(
        'a file of %i bytes that changed since its checksums were taken is SOURCE_CHANGED',
        async (size) => {
          const key = keyMaker()('changed.segment');
          const bytes = sampleBytes(size, 44);
          const file = await nodeDisk.open(path.join(scratch, `changed-${size}`), 'create');
          await file.write(bytes, 0);
          await file.write(Buffer.from([bytes[size - 2]! ^ 1]), size - 2);
          const parts = { log: file, logBytes: size, logCrcs: chunkCrcs(bytes) };
          const source = fileSource({ ...parts, tail: Buffer.alloc(0) });
          const observer = recorder();
          expect(await codeOf(store.put(key, source, observer, never))).toBe('SOURCE_CHANGED');
          await file.truncate(Math.floor(size / 2));
          expect(await codeOf(store.put(key, source, observer, never))).toBe('SOURCE_CHANGED');
          expect(await isReadable(key)).toBe(false);
          await store.abandon(key, observer.uploadIds, never);
          await file.close();
        },
      );

      test('abandoning what never was is no error', async () => {
        const key = keyMaker()('never.segment');
        const unknown = ['no-such-upload', '0123456789abcdef0123456789abcdef'];
        expect(await codeOf(store.abandon(key, unknown, never))).toBe('resolved');
      });
    });

    describe('list', () => {
      test('gives keys in the order of their bytes, under any prefix, from any point', async () => {
        const key = keyMaker();
        const leaves = [
          'a-b',
          'a.b',
          'a/1',
          'a/10',
          'a/2/x',
          'a0',
          'ab',
          'é',
          '\u{1F600}',
          '\uFFFD',
        ];
        await inParallel(
          leaves.map((leaf) => () => putBytes(key(leaf), Buffer.from(leaf))),
          4,
        );
        const ordered = leaves
          .map(key)
          .toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
        expect(await listed(key(''), '')).toEqual(ordered);
        for (const after of [...ordered, key('a/'), key('a/1z'), key('aa'), key('zzz'), 'A', 'z']) {
          const expected = ordered.filter(
            (one) => Buffer.compare(Buffer.from(one), Buffer.from(after)) > 0,
          );
          expect(await listed(key(''), after)).toEqual(expected);
        }
        for (const prefix of [key('a'), key('a/'), key('a/1'), key('a/2/x'), key('b')]) {
          const expected = ordered.filter((one) => one.startsWith(prefix));
          expect(await listed(prefix, '')).toEqual(expected);
          expect(await listed(prefix, key('a/1'))).toEqual(
            expected.filter((one) => Buffer.compare(Buffer.from(one), Buffer.from(key('a/1'))) > 0),
          );
        }
      });

      test(`pages through ${manyKeys} keys, and a delete of all of them empties it`, async () => {
        const key = keyMaker();
        const keys = Array.from({ length: manyKeys }, (_, index) =>
          key(
            `${String(Math.floor(index / 100)).padStart(3, '0')}/${String(index).padStart(6, '0')}`,
          ),
        );
        await inParallel(
          keys.map((one) => () => putBytes(one, Buffer.from('x'))),
          32,
        );
        expect(await keysOf(store.list(key(''), '', never))).toEqual(keys);
        const middle = keys[Math.floor(manyKeys / 2)]!;
        expect(await keysOf(store.list(key(''), middle, never))).toEqual(
          keys.slice(Math.floor(manyKeys / 2) + 1),
        );
        expect(await store.delete(keys, never)).toEqual([]);
        expect(await keysOf(store.list(key(''), '', never))).toEqual([]);
      }, 60_000);

      test('may be left early and taken up again', async () => {
        const key = keyMaker();
        for (const leaf of ['1', '2', '3', '4']) await putBytes(key(leaf), Buffer.from(leaf));
        const found: string[] = [];
        for (let after = ''; found.length < 4; after = found.at(-1) ?? '') {
          for await (const object of store.list(key(''), after, never)) {
            found.push(object.key);
            break;
          }
        }
        expect(found).toEqual(['1', '2', '3', '4'].map(key));
      });
    });

    describe('delete', () => {
      test('takes what is there and what is not, and again', async () => {
        const key = keyMaker();
        await putBytes(key('one'), Buffer.from('1'));
        await putBytes(key('deep/er/two'), Buffer.from('2'));
        await putBytes(key('deep/stays'), Buffer.from('3'));
        const keys = [key('one'), key('absent'), key('deep/er/two'), key('no/such/parent')];
        expect(await store.delete(keys, never)).toEqual([]);
        expect(await store.delete(keys, never)).toEqual([]);
        const { modifiedMs } = await store.stat(key('deep/stays'), never);
        const found = await all(store.list(key(''), '', never));
        expect(found).toEqual([{ key: key('deep/stays'), sizeBytes: 1, modifiedMs }]);
        expect(await store.delete([], never)).toEqual([]);
      });

      test('a key that was deleted may be put again, with another content', async () => {
        const key = keyMaker()('again');
        await putBytes(key, Buffer.from('first'));
        await store.delete([key], never);
        expect(await codeOf(putBytes(key, Buffer.from('second')))).toBe('resolved');
        expect((await read(key, 0, 6)).toString()).toBe('second');
      });
    });

    const BAD_KEYS = ['', '/', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', 'a\u0000b'];
    test.each(BAD_KEYS)('the key %j is refused by every door', async (key) => {
      const refused = 'INVALID_ARGUMENT';
      expect(await codeOf(putBytes(key, Buffer.from('x')))).toBe(refused);
      expect(await codeOf(read(key, 0, 1))).toBe(refused);
      expect(await codeOf(store.stat(key, never))).toBe(refused);
      expect(await codeOf(store.delete([key], never))).toBe(refused);
    });

    test('the clock of the store is that of this host, to a minute', async () => {
      const offByMs = Math.abs((await store.wallClockMs(never)) - Date.now());
      expect(offByMs).toBeLessThan(60_000);
    });

    test('the probe tells what it found and leaves nothing behind', async () => {
      const { findings } = await store.probe(never);
      expect(findings.length).toBeGreaterThan(0);
      expect(await keysOf(store.list('.logtier-probe/', '', never))).toEqual([]);
    });
  });
}
