// What every KvEngine home promises. kv-engine.test.ts runs it against each.
import { describe, expect, test } from 'vitest';
import type { KvEngine, KvEntry, KvRange, KvWrite } from '../../src/metastore/engine/kv-engine.ts';

/** One place that engines are opened in, one after the other. */
export interface EngineHome {
  open(): Promise<KvEngine>;
  /** Closes what is still open and removes the place. */
  remove(): Promise<void>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

export const put = (key: string, value: string): KvWrite => ({
  kind: 'put',
  key: bytes(key),
  value: bytes(value),
});
const drop = (key: string): KvWrite => ({ kind: 'delete', key: bytes(key) });
const dropRange = (from: string, to: string): KvWrite => ({
  kind: 'deleteRange',
  from: bytes(from),
  to: bytes(to),
});

const between = (from: string, to: string, more: Partial<KvRange> = {}): KvRange => ({
  from: bytes(from),
  to: bytes(to),
  ...more,
});

async function collect(entries: AsyncIterable<KvEntry>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { key, value } of entries) seen.push(`${text(key)}=${text(value)}`);
  return seen;
}

const EVERYTHING: KvRange = { from: new Uint8Array(0), to: new Uint8Array([255, 255]) };

export function kvEngineContract(name: string, createHome: () => Promise<EngineHome>): void {
  async function withHome(use: (home: EngineHome) => Promise<void>): Promise<void> {
    const home = await createHome();
    try {
      await use(home);
    } finally {
      await home.remove();
    }
  }
  const withEngine = (use: (engine: KvEngine) => Promise<void>): Promise<void> =>
    withHome(async (home) => {
      await use(await home.open());
    });

  describe(`the ${name} engine`, () => {
    test('answers with the last value put and with undefined for what was never put', () =>
      withEngine(async (engine) => {
        await engine.batch([put('a', '1')]);
        await engine.batch([put('a', '2')]);
        expect(text(await engine.get(bytes('a')))).toBe('2');
        expect(await engine.get(bytes('b'))).toBeUndefined();
      }));

    test('keeps an empty value and an empty key apart from nothing', () =>
      withEngine(async (engine) => {
        await engine.batch([put('empty', ''), put('', 'key of no bytes')]);
        expect(await engine.get(bytes('empty'))).toHaveLength(0);
        expect(text(await engine.get(bytes('')))).toBe('key of no bytes');
        expect(await collect(engine.range(EVERYTHING))).toEqual(['=key of no bytes', 'empty=']);
      }));

    test('applies the writes of a batch in order', () =>
      withEngine(async (engine) => {
        await engine.batch([put('a1', 'old'), put('a2', 'old'), put('b', 'old')]);
        await engine.batch([
          put('a3', 'swept'),
          dropRange('a', 'b'),
          put('a1', 'new'),
          drop('b'),
          put('b', 'new'),
          put('c', 'gone'),
          drop('c'),
        ]);
        expect(await collect(engine.range(EVERYTHING))).toEqual(['a1=new', 'b=new']);
      }));

    test('applies batches in the order of the calls, awaited or not', () =>
      withEngine(async (engine) => {
        const batches = Array.from({ length: 200 }, (_, at) =>
          engine.batch([put('last', String(at)), put(`key ${at % 7}`, String(at))]),
        );
        await Promise.all(batches);
        expect(text(await engine.get(bytes('last')))).toBe('199');
        expect(text(await engine.get(bytes('key 0')))).toBe('196');
      }));

    test('shows a reader all of a batch or nothing of it', () =>
      withEngine(async (engine) => {
        const write = async (): Promise<void> => {
          for (let at = 0; at < 200; at += 1) {
            await engine.batch([put('left', String(at)), put('right', String(at))]);
          }
        };
        const torn: string[] = [];
        const read = async (): Promise<void> => {
          for (let at = 0; at < 200; at += 1) {
            const snapshot = await engine.snapshot();
            const left = text(await snapshot.get(bytes('left')));
            const right = text(await snapshot.get(bytes('right')));
            if (left !== right) torn.push(`${left} and ${right}`);
            await snapshot.close();
          }
        };
        await Promise.all([write(), read()]);
        expect(torn).toEqual([]);
      }));

    test('takes an empty batch', () =>
      withEngine(async (engine) => {
        await engine.batch([]);
        expect(await collect(engine.range(EVERYTHING))).toEqual([]);
      }));

    test('a snapshot sees its moment whatever is written later', () =>
      withEngine(async (engine) => {
        await engine.batch([put('a', '1'), put('b', '1'), put('c', '1')]);
        const snapshot = await engine.snapshot();
        await engine.batch([put('a', '2'), dropRange('b', 'd'), put('e', '2')]);
        await engine.flush();
        expect(await collect(snapshot.range(EVERYTHING))).toEqual(['a=1', 'b=1', 'c=1']);
        const seen = await snapshot.getMany([bytes('e'), bytes('a'), bytes('b')]);
        expect(seen.map(text)).toEqual([undefined, '1', '1']);
        expect(await collect(engine.range(EVERYTHING))).toEqual(['a=2', 'e=2']);
        await snapshot.close();
        await snapshot.close();
      }));

    test('a range under way does not see writes made after its first entry', () =>
      withEngine(async (engine) => {
        await engine.batch(Array.from({ length: 500 }, (_, at) => put(`k${1000 + at}`, 'old')));
        const seen = new Set<string | undefined>();
        let count = 0;
        for await (const { value } of engine.range(EVERYTHING)) {
          if (count === 0) await engine.batch([dropRange('k', 'l'), put('k1499', 'new')]);
          seen.add(text(value));
          count += 1;
        }
        expect([count, [...seen]]).toEqual([500, ['old']]);
      }));

    test('ranges are half-open, in byte order, both ways, up to a limit', () =>
      withEngine(async (engine) => {
        await engine.batch(['b', 'a', 'ab', 'aa', 'd', 'c'].map((key) => put(key, key)));
        const keys = async (range: KvRange): Promise<string[]> =>
          (await collect(engine.range(range))).map((entry) => entry.split('=')[0]!);
        expect(await keys(between('a', 'c'))).toEqual(['a', 'aa', 'ab', 'b']);
        expect(await keys(between('a', 'c', { reverse: true }))).toEqual(['b', 'ab', 'aa', 'a']);
        expect(await keys(between('aa', 'z', { limit: 2 }))).toEqual(['aa', 'ab']);
        expect(await keys(between('a', 'd', { limit: 2, reverse: true }))).toEqual(['c', 'b']);
        expect(await keys(between('a', 'z', { limit: 0 }))).toEqual([]);
        expect(await keys(between('a', 'z', { limit: 6 }))).toHaveLength(6);
        expect(await keys(between('a', 'z', { limit: 7 }))).toHaveLength(6);
      }));

    test('orders keys as unsigned bytes', () =>
      withEngine(async (engine) => {
        const keys = [[0x80], [0x7f], [0xff], [0x00], [0x7f, 0x00], [0xfe, 0xff]];
        await engine.batch(
          keys.map((key) => ({ kind: 'put', key: new Uint8Array(key), value: bytes('') })),
        );
        const seen: number[][] = [];
        for await (const { key } of engine.range(EVERYTHING)) seen.push([...key]);
        expect(seen).toEqual([[0x00], [0x7f], [0x7f, 0x00], [0x80], [0xfe, 0xff], [0xff]]);
      }));

    test('ranges that end at or before their start are empty, for reads and for deletes', () =>
      withEngine(async (engine) => {
        await engine.batch([put('a', '1'), put('b', '1'), put('c', '1')]);
        await engine.batch([dropRange('b', 'b'), dropRange('c', 'a'), dropRange('x', '')]);
        expect(await collect(engine.range(between('b', 'b')))).toEqual([]);
        expect(await collect(engine.range(between('c', 'a')))).toEqual([]);
        expect(await collect(engine.range(between('a', '')))).toEqual([]);
        expect(await collect(engine.range(between('d', 'z')))).toEqual([]);
        expect(await collect(engine.range(EVERYTHING))).toHaveLength(3);
      }));

    test('getMany answers in the order asked, repeats and misses included, beyond one hop', () =>
      withEngine(async (engine) => {
        await engine.batch(Array.from({ length: 600 }, (_, at) => put(`k${at}`, String(at))));
        const asked = Array.from({ length: 1300 }, (_, at) => (at * 7) % 700);
        const values = await engine.getMany(asked.map((at) => bytes(`k${at}`)));
        expect(values.map(text)).toEqual(asked.map((at) => (at < 600 ? String(at) : undefined)));
        expect(await engine.getMany([])).toEqual([]);
      }));

    test('stores values of 1 MiB', () =>
      withEngine(async (engine) => {
        const big = Uint8Array.from({ length: 2 ** 20 }, (_, at) => (at * 31) % 251);
        await engine.batch([{ kind: 'put', key: bytes('big'), value: big }, put('small', 's')]);
        await engine.flush();
        const [value, small] = await engine.getMany([bytes('big'), bytes('small')]);
        expect(Buffer.compare(value!, big)).toBe(0);
        expect(text(small)).toBe('s');
      }));

    test('a range that is left early ends what it holds', () =>
      withEngine(async (engine) => {
        await engine.batch(Array.from({ length: 1000 }, (_, at) => put(`k${at}`, 'v')));
        for await (const { key } of engine.range(EVERYTHING)) if (text(key) === 'k1') break;
        await engine.close();
      }));

    test('closing ends open snapshots and ranges, and a cut range never looks like a whole one', () =>
      withEngine(async (engine) => {
        await engine.batch(Array.from({ length: 1000 }, (_, at) => put(`k${at}`, 'v')));
        const snapshot = await engine.snapshot();
        const range = engine.range(EVERYTHING)[Symbol.asyncIterator]();
        expect((await range.next()).done).toBe(false);
        await engine.close();
        await engine.close();
        const drain = async (): Promise<void> => {
          while (!(await range.next()).done);
        };
        await expect(drain()).rejects.toThrow('is open');
        await expect((async () => snapshot.get(bytes('k1')))()).rejects.toThrow('is open');
        await expect((async () => engine.batch([put('a', '1')]))()).rejects.toThrow('is open');
      }));

    test('reopened after close, it still knows every batch, flushed or not', () =>
      withHome(async (home) => {
        const first = await home.open();
        await first.batch([put('flushed', '1')]);
        await first.flush();
        await first.batch([put('unflushed', '2'), drop('flushed')]);
        await first.close();
        const second = await home.open();
        expect(await collect(second.range(EVERYTHING))).toEqual(['unflushed=2']);
      }));

    test('refuses a second opening while the first lives', () =>
      withHome(async (home) => {
        const first = await home.open();
        await expect(home.open()).rejects.toMatchObject({
          code: 'ALREADY_RUNNING',
          hint: expect.stringMatching(/./),
        });
        await first.batch([put('a', 'still works')]);
        await first.close();
        const second = await home.open();
        expect(text(await second.get(bytes('a')))).toBe('still works');
      }));
  });
}
