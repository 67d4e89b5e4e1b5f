import { expect, test } from 'vitest';
import { Draft } from '../../../../src/metastore/catalog/draft.ts';
import { EngineBase } from '../../../../src/metastore/catalog/engine-base.ts';
import { TABLE } from '../../../../src/metastore/catalog/keys.ts';
import type { KvEngine, KvWrite } from '../../../../src/metastore/engine/kv-engine.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';

const everything = { from: Uint8Array.of(0), to: Uint8Array.of(0xff) };

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function put(key: string, value: string): KvWrite {
  return { kind: 'put', key: bytes(key), value: bytes(value) };
}

async function contentOf(draft: Draft): Promise<Record<string, string>> {
  const entries = await draft.entries(everything);
  return Object.fromEntries(
    entries.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]),
  );
}

test('what was written since a savepoint can be taken back, ranges too', async () => {
  const engine = await openMemoryEngine();
  await engine.batch([put('a', 'engine'), put('b', 'engine')]);
  const draft = new Draft(new EngineBase(engine));
  draft.putBytes(bytes('a'), bytes('first'));
  draft.putBytes(bytes('c'), bytes('first'));
  const before = await contentOf(draft);
  const savepoint = draft.savepoint();
  draft.putBytes(bytes('a'), bytes('second'));
  draft.delete(bytes('b'));
  draft.deleteRange({ from: bytes('a'), to: bytes('d') });
  draft.putBytes(bytes('b'), bytes('third'));
  expect(await contentOf(draft)).toEqual({ b: 'third' });
  expect(draft.writesSince(savepoint)).toHaveLength(4);
  draft.rollBack(savepoint);
  expect(await contentOf(draft)).toEqual(before);
  expect(draft.writesSince(savepoint)).toEqual([]);
  expect(await draft.get(bytes('b'))).toEqual(bytes('engine'));
});

test('the engine gets the last write of each key, in an order that leaves the same content', async () => {
  const engine = await openMemoryEngine();
  const draft = new Draft(new EngineBase(engine));
  draft.putBytes(bytes('a'), bytes('1'));
  draft.putBytes(bytes('b'), bytes('1'));
  draft.deleteRange({ from: bytes('a'), to: bytes('c') });
  draft.putBytes(bytes('a'), bytes('2'));
  draft.putBytes(bytes('d'), bytes('1'));
  draft.delete(bytes('d'));
  await engine.batch(draft.writes);
  expect(draft.writes.map(({ kind }) => kind)).toEqual(['put', 'deleteRange', 'put', 'delete']);
  expect(await contentOf(new Draft(new EngineBase(engine)))).toEqual({ a: '2' });
});

/** Counts the keys that were read. */
async function countingEngine(): Promise<{ engine: KvEngine; reads: () => number }> {
  const engine = await openMemoryEngine();
  let reads = 0;
  const getMany = engine.getMany.bind(engine);
  engine.getMany = (keys) => {
    reads += keys.length;
    return getMany(keys);
  };
  return { engine, reads: () => reads };
}

/** Writes them as apply does. */
async function write(engine: KvEngine, base: EngineBase, change: (draft: Draft) => void) {
  const draft = new Draft(base);
  change(draft);
  await engine.batch(draft.writes);
  base.applied(draft.writes);
}

test('a row that was read or written is not read again', async () => {
  const { engine, reads } = await countingEngine();
  const base = new EngineBase(engine);
  const [claim, session] = [Uint8Array.of(TABLE.claim, 1), Uint8Array.of(TABLE.session, 1)];
  await base.prefetch([claim, session]);
  await base.prefetch([claim, session]);
  expect(reads()).toBe(2);
  await write(engine, base, (draft) => {
    draft.putBytes(claim, bytes('claimed'));
  });
  expect(await new Draft(base).get(claim)).toEqual(bytes('claimed'));
  await write(engine, base, (draft) => {
    draft.delete(claim);
  });
  expect(await new Draft(base).get(claim)).toBeUndefined();
  expect(await new Draft(base).has(session)).toBe(false);
  expect(reads()).toBe(2);
});

test('rows that a range took, or another content, are read anew', async () => {
  const { engine, reads } = await countingEngine();
  const base = new EngineBase(engine);
  const claim = Uint8Array.of(TABLE.claim, 1);
  await engine.batch([{ kind: 'put', key: claim, value: bytes('claimed') }]);
  await base.prefetch([claim]);
  await write(engine, base, (draft) => {
    draft.deleteRange({ from: Uint8Array.of(TABLE.claim), to: Uint8Array.of(TABLE.claim + 1) });
  });
  expect(await new Draft(base).get(claim)).toBeUndefined();
  const before = reads();
  base.clear();
  await base.prefetch([claim]);
  expect(reads()).toBe(before + 1);
});

test('what is kept is bounded, and what was asked for lately stays', async () => {
  const { engine, reads } = await countingEngine();
  const base = new EngineBase(engine, 100_000);
  const hot = Uint8Array.of(TABLE.claim, 0xff);
  await base.prefetch([hot]);
  for (let at = 0; at < 1_000; at += 1) {
    await base.prefetch([Uint8Array.of(TABLE.claim, at >> 8, at & 0xff), hot]);
  }
  expect(reads()).toBe(1_001);
  await base.prefetch([Uint8Array.of(TABLE.claim, 0, 0)]);
  expect(reads()).toBe(1_002);
});
