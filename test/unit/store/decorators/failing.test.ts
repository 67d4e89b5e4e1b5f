import { expect, test } from 'vitest';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { failingStore } from '../../../../src/store/decorators/failing.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { codeOf, collect, never } from '../../../support/store-probes.ts';

const bytes = sampleBytes(2_500_000, 9);
const whole = { start: 0, end: bytes.length };

async function stored(): Promise<MemoryStore> {
  const memory = new MemoryStore();
  await memory.put('key', bytesSource(bytes), nobody, never);
  return memory;
}

test('a flipped bit on the way down is one bit', async () => {
  const fault = { kind: 'flip', atByte: 1_048_580 } as const;
  const store = failingStore([{ op: 'get', fault }], await stored());
  const found = await collect(store.get('key', whole, never));
  const differing = [...found.keys()].filter((index) => found[index] !== bytes[index]);
  expect(differing).toEqual([1_048_580]);
});

test('a flipped bit on the way up is stored, and the store’s own checksum tells', async () => {
  const fault = { kind: 'flip', atByte: 3 } as const;
  const store = failingStore([{ op: 'put', fault }], new MemoryStore());
  const source = bytesSource(bytes);
  const { crc32 } = await store.put('key', source, nobody, never);
  expect(crc32).not.toBe(source.crc32(whole));
});

test('a get is shortened quietly, or cut with an error', async () => {
  const memory = await stored();
  const store = failingStore(
    [
      { op: 'get', calls: { start: 0, end: 1 }, fault: { kind: 'shorten', afterBytes: 1_500_000 } },
      {
        op: 'get',
        calls: { start: 1, end: 2 },
        fault: { kind: 'cut', afterBytes: 9, code: 'STORE_UNAVAILABLE' },
      },
    ],
    memory,
  );
  expect(await collect(store.get('key', whole, never))).toHaveLength(1_500_000);
  expect(await codeOf(collect(store.get('key', whole, never)))).toBe('STORE_UNAVAILABLE');
  expect(await collect(store.get('key', whole, never))).toHaveLength(bytes.length);
});

test('a lost answer hides a put that was done', async () => {
  const memory = new MemoryStore();
  const fault = { kind: 'lose-answer', code: 'STORE_UNAVAILABLE' } as const;
  const store = failingStore([{ op: 'put', fault }], memory);
  expect(await codeOf(store.put('key', bytesSource(bytes), nobody, never))).toBe(
    'STORE_UNAVAILABLE',
  );
  expect(memory.objects.has('key')).toBe(true);
});
