// What the contract cannot ask: RocksDB's own files, damaged.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openRocksdbEngine } from '../../../../src/metastore/engine/rocksdb-engine.ts';
import { bytes, put, text } from '../../../contract/kv-engine.ts';
import { seededDraw } from '../../../support/memory-disk.ts';

const scratch: string[] = [];
afterAll(async () => {
  for (const directory of scratch) await rm(directory, { recursive: true, force: true });
});

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rocksdb-engine-'));
  scratch.push(directory);
  return join(directory, 'db');
}

/** Flips one bit in the largest file of that ending, at `share` of its length. */
async function flipBit(directory: string, ending: string, share: number): Promise<void> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(ending));
  const files = await Promise.all(
    names.map(async (name) => ({ name, content: await readFile(join(directory, name)) })),
  );
  const largest = files.toSorted((left, right) => right.content.length - left.content.length)[0]!;
  const at = Math.floor(share * largest.content.length);
  largest.content[at] = largest.content[at]! ^ 4;
  await writeFile(join(directory, largest.name), largest.content);
}

test('after a flipped bit in its write-ahead log it comes back at a batch border without a hole', async () => {
  const draw = seededDraw(11);
  for (let trial = 0; trial < 4; trial += 1) {
    const directory = await newDirectory();
    const engine = await openRocksdbEngine(directory);
    for (let at = 0; at < 1000; at += 1) {
      await engine.batch([put(`k${String(at).padStart(4, '0')}`, 'v'), put('applied', String(at))]);
    }
    await engine.close();
    await flipBit(directory, '.log', 0.1 + draw() * 0.8);
    const again = await openRocksdbEngine(directory);
    const applied = Number(text(await again.get(bytes('applied'))));
    const keys: string[] = [];
    for await (const { key } of again.range({ from: bytes('k'), to: bytes('l') })) {
      keys.push(text(key)!);
    }
    expect(applied).toBeLessThan(999);
    expect(keys).toEqual(
      Array.from({ length: applied + 1 }, (_, at) => `k${String(at).padStart(4, '0')}`),
    );
    await again.close();
  }
});

test('a flipped bit in a table is an error of the read, never a wrong value', async () => {
  const directory = await newDirectory();
  const engine = await openRocksdbEngine(directory);
  await engine.batch(Array.from({ length: 5000 }, (_, at) => put(`k${at}`, 'v'.repeat(50))));
  await engine.flush();
  await engine.close();
  await flipBit(directory, '.sst', 0.4);
  const again = await openRocksdbEngine(directory);
  const scan = async (): Promise<void> => {
    for await (const { value } of again.range({ from: bytes('k'), to: bytes('l') })) {
      expect(text(value)).toBe('v'.repeat(50));
    }
  };
  await expect(scan()).rejects.toMatchObject({ code: 'DISK_FAILED' });
  const keys = Array.from({ length: 5000 }, (_, at) => bytes(`k${at}`));
  await expect(again.getMany(keys)).rejects.toMatchObject({ code: 'DISK_FAILED' });
  await again.close();
});

test('a damaged manifest is refused with a hint', async () => {
  const directory = await newDirectory();
  const engine = await openRocksdbEngine(directory);
  await engine.batch([put('a', '1')]);
  await engine.close();
  const names = await readdir(directory);
  await writeFile(
    join(
      directory,
      names.find((name) => name.startsWith('MANIFEST'))!,
    ),
    'garbage',
  );
  await expect(openRocksdbEngine(directory)).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    hint: expect.stringMatching(/./),
  });
});
