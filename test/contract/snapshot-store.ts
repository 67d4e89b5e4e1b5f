// What every SnapshotStore promises. snapshot-store.test.ts runs it against each.
import { describe, expect, test } from 'vitest';
import {
  SNAPSHOT_PART_BYTES,
  type SnapshotStore,
} from '../../src/metastore/log/etcd-log/snapshot-store.ts';
import { sampleBytes } from '../support/sample-bytes.ts';

export interface OpenedSnapshotStore {
  /** The same store again for the same id, what it holds included. */
  open(metastoreId: string): SnapshotStore;
  close(): Promise<void>;
}

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

async function listed(store: SnapshotStore): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list(NEVER)) names.push(name);
  return names.toSorted();
}

export function snapshotStoreContract(
  name: string,
  create: () => Promise<OpenedSnapshotStore>,
): void {
  const withStore = async (
    use: (store: SnapshotStore, opened: OpenedSnapshotStore) => Promise<void>,
  ): Promise<void> => {
    const opened = await create();
    try {
      await use(opened.open('a'.repeat(22)), opened);
    } finally {
      await opened.close();
    }
  };

  describe(`the ${name} snapshot store`, () => {
    test('gives back a part of the largest size, an empty one and a small one as they were', () =>
      withStore(async (store) => {
        const parts = new Map([
          ['log-1/one/00000000', sampleBytes(SNAPSHOT_PART_BYTES, 1)],
          ['log-1/one/00000001', new Uint8Array(0)],
          ['log-1/two/00000000', encode('small')],
        ]);
        for (const [part, bytes] of parts) await store.put(part, bytes, NEVER);
        expect(await listed(store)).toEqual([...parts.keys()]);
        for (const [part, bytes] of parts) {
          expect(Buffer.compare(await store.get(part, NEVER), bytes)).toBe(0);
        }
      }));

    test('the same part put twice is one, and another content under its name is refused', () =>
      withStore(async (store) => {
        await store.put('one/00000000', encode('text'), NEVER);
        await store.put('one/00000000', encode('text'), NEVER);
        await expect(store.put('one/00000000', encode('tent'), NEVER)).rejects.toMatchObject({
          code: 'OBJECT_EXISTS',
        });
        expect(await listed(store)).toEqual(['one/00000000']);
        expect(await store.get('one/00000000', NEVER)).toEqual(encode('text'));
      }));

    test('a part that is not there is OBJECT_NOT_FOUND', () =>
      withStore(async (store) => {
        const missing = { code: 'OBJECT_NOT_FOUND' };
        await expect(store.get('one/00000000', NEVER)).rejects.toMatchObject(missing);
        await store.put('one/00000000', encode('text'), NEVER);
        await store.delete(['one/00000000'], NEVER);
        await expect(store.get('one/00000000', NEVER)).rejects.toMatchObject(missing);
      }));

    test('deletes what is named and nothing else, however many, and what is not there too', () =>
      withStore(async (store) => {
        const names = Array.from({ length: 503 }, (_, at) => `one/${String(at).padStart(8, '0')}`);
        await Promise.all(names.map((each) => store.put(each, encode(each), NEVER)));
        await store.put('one-more/00000000', encode('x'), NEVER);
        await store.delete([...names, 'none/00000000'], NEVER);
        expect(await listed(store)).toEqual(['one-more/00000000']);
        await store.delete([], NEVER);
      }));

    test('two metastores in one store do not meet', () =>
      withStore(async (store, opened) => {
        const other = opened.open('b'.repeat(22));
        await store.put('one/00000000', encode('mine'), NEVER);
        await other.put('one/00000000', encode('theirs'), NEVER);
        await other.delete(await listed(other), NEVER);
        expect(await listed(store)).toEqual(['one/00000000']);
        expect(await listed(other)).toEqual([]);
      }));
  });
}
