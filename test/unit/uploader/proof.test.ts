import { expect, test } from 'vitest';
import { bytesSource } from '../../../src/store/byte-source.ts';
import { failingStore } from '../../../src/store/decorators/failing.ts';
import { CHUNK_BYTES, nobody } from '../../../src/store/object-store.ts';
import { proveStored } from '../../../src/uploader/proof.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { sampleBytes } from '../../support/sample-bytes.ts';

const signal = new AbortController().signal;
const body = bytesSource(sampleBytes(2 * CHUNK_BYTES + 1000));
const sent = { body, moved: () => undefined };

async function stored(reportsCrc32: boolean) {
  const store = new MemoryStore({ reportsCrc32 });
  return { store, object: await store.put('k', body, nobody, signal) };
}

test('an honest checksum of the store is a proof without a read', async () => {
  const { object } = await stored(true);
  const deaf = failingStore(
    [{ op: 'get', fault: { kind: 'fail', code: 'STORE_DENIED' } }],
    new MemoryStore(),
  );
  expect(await proveStored(deaf, object, sent, signal)).toBe('store checksum');
});

test('without one the object is read back', async () => {
  const { store, object } = await stored(false);
  expect(await proveStored(store, object, sent, signal)).toBe('read back');
});

test('rule 9: another size, another checksum or another byte is no proof', async () => {
  const { store, object } = await stored(false);
  const corrupt = { code: 'OBJECT_CORRUPT' };
  const shorter = { ...object, sizeBytes: object.sizeBytes - 1 };
  await expect(proveStored(store, shorter, sent, signal)).rejects.toMatchObject(corrupt);
  await expect(proveStored(store, { ...object, crc32: 1 }, sent, signal)).rejects.toMatchObject(
    corrupt,
  );
  store.objects.get('k')!.bytes[CHUNK_BYTES + 5]! ^= 1;
  await expect(proveStored(store, object, sent, signal)).rejects.toMatchObject({
    ...corrupt,
    message: expect.stringContaining(`bytes from ${CHUNK_BYTES} on differ`),
  });
});

test('a stream that ends short is not a proof of anything', async () => {
  const { store, object } = await stored(false);
  const short = failingStore([{ op: 'get', fault: { kind: 'shorten', afterBytes: 100 } }], store);
  await expect(proveStored(short, object, sent, signal)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
});
