import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KvWrite } from '../../../../src/metastore/engine/kv-engine.ts';
import { MemoryStore } from '../../../../src/metastore/engine/memory-engine.ts';
import { bytes, put, text } from '../../../contract/kv-engine.ts';

test('a crash keeps the flushed batches and a prefix of the others', async () => {
  const store = new MemoryStore();
  const engine = await store.open();
  await engine.batch([put('a', 'flushed')]);
  await engine.flush();
  await engine.batch([put('b', 'kept')]);
  await engine.batch([put('c', 'lost'), put('a', 'lost')]);
  expect(store.unflushedBatches).toBe(2);
  store.crash(1);
  await expect(engine.get(bytes('a'))).rejects.toThrow('is open');
  const after = await store.open();
  const values = await after.getMany(['a', 'b', 'c'].map(bytes));
  expect(values.map(text)).toEqual(['flushed', 'kept', undefined]);
});

type ModelWrite =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'deleteRange'; readonly from: string; readonly to: string };

function writeOf(write: ModelWrite): KvWrite {
  if (write.kind === 'put') return put(write.key, write.value);
  if (write.kind === 'delete') return { kind: 'delete', key: bytes(write.key) };
  return { kind: 'deleteRange', from: bytes(write.from), to: bytes(write.to) };
}

function applyTo(model: Map<string, string>, write: ModelWrite): void {
  if (write.kind === 'put') model.set(write.key, write.value);
  if (write.kind === 'delete') model.delete(write.key);
  if (write.kind !== 'deleteRange') return;
  for (const key of model.keys()) {
    if (write.from <= key && key < write.to) model.delete(key);
  }
}

test('random writes leave the tree equal to a sorted map', async () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 3 });
  const write = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), key, value: fc.string() }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constant('deleteRange' as const), from: key, to: key }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 60 }), async (writes) => {
      const engine = await new MemoryStore().open();
      const model = new Map<string, string>();
      for (const each of writes) {
        await engine.batch([writeOf(each)]);
        applyTo(model, each);
      }
      const forward: [string, string][] = [];
      const backward: [string, string][] = [];
      const whole = { from: bytes(''), to: bytes('z') };
      for await (const entry of engine.range(whole)) {
        forward.push([text(entry.key)!, text(entry.value)!]);
      }
      for await (const entry of engine.range({ ...whole, reverse: true })) {
        backward.unshift([text(entry.key)!, text(entry.value)!]);
      }
      const expected = [...model].toSorted(([left], [right]) => (left < right ? -1 : 1));
      expect(forward).toEqual(expected);
      expect(backward).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
