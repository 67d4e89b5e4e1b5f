// A small content for tests of snapshots: a state and rows after it.
import { createHash } from 'node:crypto';
import { CatalogState } from '../../src/gen/logtier/v1/catalog_command.ts';
import { stateKey } from '../../src/metastore/catalog/keys.ts';
import { encodeRow } from '../../src/metastore/catalog/row.ts';
import { freshState } from '../../src/metastore/catalog/state.ts';
import type { KvEngine, KvReader } from '../../src/metastore/engine/kv-engine.ts';
import { METASTORE } from './metastore-catalog.ts';

/** Key and a digest of the value: quick to compare. */
export async function rowsOf(reader: KvReader): Promise<string[]> {
  const rows: string[] = [];
  const all = { from: Uint8Array.of(0), to: Uint8Array.of(0xff) };
  for await (const { key, value } of reader.range(all)) {
    const digest = createHash('sha256').update(value).digest('base64');
    rows.push(`${Buffer.from(key).toString('hex')} ${value.length} ${digest}`);
  }
  return rows;
}

/** A state at `appliedIndex` and `values` as rows of one table. */
export async function fillEngine(
  engine: KvEngine,
  values: readonly Uint8Array[],
  facts: Partial<CatalogState> = {},
): Promise<void> {
  const state = {
    ...freshState(1, METASTORE),
    appliedIndex: 7n,
    appliedTerm: 2n,
    hash: 99,
    ...facts,
  };
  await engine.batch([
    { kind: 'put', key: stateKey(), value: encodeRow(CatalogState, state) },
    ...values.map((value, at) => {
      const key = Buffer.alloc(5, 0x10);
      key.writeUInt32BE(at, 1);
      return { kind: 'put' as const, key, value };
    }),
  ]);
}

export async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function* inPieces(
  bytes: Uint8Array,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + pieceBytes));
  }
}
