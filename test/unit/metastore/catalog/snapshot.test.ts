import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { exportCatalog } from '../../../../src/metastore/catalog/snapshot-export.ts';
import {
  CHUNK_BYTES,
  crcAfter,
  FRAME_HEAD_BYTES,
  PREAMBLE_BYTES,
  type SnapshotHeader,
} from '../../../../src/metastore/catalog/snapshot-format.ts';
import { importCatalog } from '../../../../src/metastore/catalog/snapshot-import.ts';
import { STATE_VERSION } from '../../../../src/metastore/catalog/state.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { bytesOf, fillEngine, inPieces, rowsOf } from '../../../support/catalog-content.ts';
import { METASTORE } from '../../../support/metastore-catalog.ts';
import { codeOf, NEVER } from '../../../support/metastore-world.ts';

const acceptAny = (): void => undefined;

async function snapshotOf(
  values: readonly Uint8Array[],
  facts: Parameters<typeof fillEngine>[2] = {},
): Promise<Buffer> {
  const engine = await openMemoryEngine();
  await fillEngine(engine, values, facts);
  return await bytesOf(exportCatalog(await engine.snapshot(), NEVER));
}

async function readBack(bytes: Uint8Array, pieceBytes = 1000): Promise<SnapshotHeader> {
  return await importCatalog(
    await openMemoryEngine(),
    inPieces(bytes, pieceBytes),
    acceptAny,
    NEVER,
  );
}

/** Where the frames of a snapshot end, the preamble first. */
function frameEnds(bytes: Buffer): number[] {
  const ends = [PREAMBLE_BYTES];
  for (let at = PREAMBLE_BYTES; at < bytes.length;) {
    at += FRAME_HEAD_BYTES + bytes.readUInt32BE(at + 1) + 4;
    ends.push(at);
  }
  return ends;
}

const joined = (parts: readonly (Buffer | undefined)[]): Buffer =>
  Buffer.concat(parts.map((part) => part ?? Buffer.alloc(0)));

const manyRows = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => Buffer.alloc(20_000, at));

test('what goes out comes in, row by row, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 500 }),
      async (values, pieceBytes) => {
        const source = await openMemoryEngine();
        await fillEngine(source, values);
        const bytes = await bytesOf(exportCatalog(source, NEVER));
        const target = await openMemoryEngine();
        const header = await importCatalog(target, inPieces(bytes, pieceBytes), acceptAny, NEVER);
        expect(await rowsOf(target)).toEqual(await rowsOf(source));
        expect(header).toEqual({
          stateVersion: STATE_VERSION,
          incarnation: 1,
          appliedIndex: 7n,
          appliedTerm: 2n,
          hash: 99,
          metastoreId: METASTORE,
        });
        expect(bytes.equals(await bytesOf(exportCatalog(target, NEVER)))).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test('chunks have a MiB at most, also of a row that is larger', async () => {
  const engine = await openMemoryEngine();
  await fillEngine(engine, [...manyRows(120), Buffer.alloc(3 * CHUNK_BYTES, 5), ...manyRows(3)]);
  const chunks: Uint8Array[] = [];
  for await (const chunk of exportCatalog(engine, NEVER)) chunks.push(chunk);
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThanOrEqual(CHUNK_BYTES);
  expect(chunks.length).toBeGreaterThan(6);
  const target = await openMemoryEngine();
  const bytes = Buffer.concat(chunks);
  await importCatalog(target, inPieces(bytes, CHUNK_BYTES), acceptAny, NEVER);
  expect(await rowsOf(target)).toEqual(await rowsOf(engine));
});

test('a snapshot shows one moment, whatever is written meanwhile', async () => {
  const engine = await openMemoryEngine();
  await fillEngine(engine, manyRows(120));
  const before = await rowsOf(engine);
  const content = exportCatalog(await engine.snapshot(), NEVER);
  const first = await content.next();
  await fillEngine(engine, manyRows(300), { appliedIndex: 8n });
  const rest = await bytesOf(content);
  const target = await openMemoryEngine();
  const bytes = Buffer.concat([first.value ?? Buffer.alloc(0), rest]);
  await importCatalog(target, inPieces(bytes, 70_000), acceptAny, NEVER);
  expect(await rowsOf(target)).toEqual(before);
});

test('any byte changed, and any cut, is found', async () => {
  const bytes = await snapshotOf([Buffer.from('one'), Buffer.from('two')]);
  const codes = new Set<string>();
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    codes.add(await codeOf(readBack(changed)));
    codes.add(await codeOf(readBack(bytes.subarray(0, at))));
  }
  // A changed version is a newer one.
  expect([...codes].toSorted()).toEqual(['CORRUPT_STATE', 'SNAPSHOT_DAMAGED']);
  expect(await codeOf(readBack(Buffer.concat([bytes, Buffer.of(0)])))).toBe('SNAPSHOT_DAMAGED');
});

test('a block that is gone, doubled or elsewhere is named', async () => {
  const bytes = await snapshotOf(manyRows(160));
  const ends = frameEnds(bytes);
  const frames = ends.map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
  const [preamble, header, one, two, three, four, trailer] = frames;
  expect(frames).toHaveLength(7);
  const whole = [preamble, header, one, two, three, four, trailer];
  const wrong: [string, (Buffer | undefined)[]][] = [
    ['block 2', [preamble, header, one, three, four, trailer]],
    ['block 3', [preamble, header, one, two, two, three, four, trailer]],
    ['block 2', [preamble, header, one, three, two, four, trailer]],
    ['block 4', [preamble, header, one, two, three, trailer]],
    ['block 5', [preamble, header, one, two, three, four]],
    ['the header', [preamble, one, two, three, four, trailer]],
  ];
  expect(await codeOf(readBack(joined(whole), 50_000))).toBe('none');
  for (const [where, parts] of wrong) {
    await expect(readBack(joined(parts), 50_000)).rejects.toMatchObject({
      code: 'SNAPSHOT_DAMAGED',
      details: { where },
    });
  }
});

test('a header that claims another revision than the rows is refused', async () => {
  const bytes = await snapshotOf([Buffer.from('one')]);
  const [start, end] = frameEnds(bytes);
  // Applied index; the header's own checksum made right again, so that only the comparison is left.
  bytes.writeBigUInt64BE(8n, start! + FRAME_HEAD_BYTES + 8);
  let crc = crcAfter(0, bytes.subarray(0, end! - 4));
  bytes.writeUInt32BE(crc, end! - 4);
  for (let at = end!; at < bytes.length;) {
    const next = at + FRAME_HEAD_BYTES + bytes.readUInt32BE(at + 1);
    crc = crcAfter(crc, bytes.subarray(at, next));
    bytes.writeUInt32BE(crc, next);
    at = next + 4;
  }
  await expect(readBack(bytes)).rejects.toMatchObject({
    code: 'SNAPSHOT_DAMAGED',
    details: { where: 'the header' },
  });
});

test('what a newer Logtier wrote is refused, and says what to do', async () => {
  const bytes = await snapshotOf([]);
  const newer = { code: 'CORRUPT_STATE', hint: 'run the newer Logtier again' };
  const stateVersion = STATE_VERSION + 1;
  await expect(readBack(await snapshotOf([], { stateVersion }))).rejects.toMatchObject(newer);
  bytes.writeUInt16BE(2, PREAMBLE_BYTES - 2);
  await expect(readBack(bytes)).rejects.toMatchObject(newer);
});

test('an engine to which nothing was applied yet has no snapshot', async () => {
  const content = exportCatalog(await openMemoryEngine(), NEVER);
  expect(await codeOf(content.next())).toBe('METASTORE_UNAVAILABLE');
});
