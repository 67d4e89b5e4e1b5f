// A snapshot into an empty engine. What came in is to be believed only when this resolves.
import { LogtierError } from '../../base/errors.ts';
import { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import { compareBytes } from '../engine/byte-order.ts';
import type { KvEngine, KvEntry, KvWrite } from '../engine/kv-engine.ts';
import { stateKey } from './keys.ts';
import { decodeRow } from './row.ts';
import {
  damaged,
  decodeHeader,
  decodeRows,
  decodeTrailer,
  FRAME,
  SNAPSHOT_MAGIC,
  SNAPSHOT_VERSION,
  type SnapshotHeader,
} from './snapshot-format.ts';
import { type Frame, SnapshotReader } from './snapshot-reader.ts';
import { STATE_VERSION } from './state.ts';
import { requireKnownVersion } from './state-version.ts';

/** What a snapshot is refused for before its first row is written: throws. */
export type HeaderCheck = (header: SnapshotHeader) => void;

/**
 * Writes block by block, each checked before; not durable before a flush. SNAPSHOT_DAMAGED names the part;
 * CORRUPT_STATE: a newer Logtier wrote it. Errors of `content` come as they are.
 */
export async function importCatalog(
  engine: KvEngine,
  content: AsyncIterable<Uint8Array>,
  check: HeaderCheck,
  signal: AbortSignal,
): Promise<SnapshotHeader> {
  const reader = new SnapshotReader(content);
  try {
    const header = await readHeader(reader);
    check(header);
    await importRows(engine, reader, header, signal);
    await reader.requireEnd();
    return header;
  } finally {
    await reader.close();
  }
}

async function readHeader(reader: SnapshotReader): Promise<SnapshotHeader> {
  const preamble = await reader.preamble();
  const magic = preamble.subarray(0, SNAPSHOT_MAGIC.length);
  if (!magic.equals(SNAPSHOT_MAGIC)) throw damaged('the beginning', 'is of no catalog snapshot');
  const version = preamble.readUInt16BE(SNAPSHOT_MAGIC.length);
  if (version > SNAPSHOT_VERSION) {
    const message = `the catalog snapshot has version ${version}, this Logtier knows ${SNAPSHOT_VERSION}`;
    throw new LogtierError('CORRUPT_STATE', message, { hint: 'run the newer Logtier again' });
  }
  const { kind, payload } = await reader.frame('the header');
  if (kind !== FRAME.header) throw damaged('the header', `has kind ${kind}`);
  const header = decodeHeader(payload);
  requireKnownVersion(header.stateVersion, STATE_VERSION);
  return header;
}

async function importRows(
  engine: KvEngine,
  reader: SnapshotReader,
  header: SnapshotHeader,
  signal: AbortSignal,
): Promise<void> {
  const seen: Seen = { blocks: 0, rows: 0n, lastKey: undefined };
  for (;;) {
    signal.throwIfAborted();
    const where = `block ${seen.blocks + 1}`;
    const frame = await reader.frame(where);
    if (frame.kind === FRAME.trailer) {
      requireComplete(frame, header, seen);
      return;
    }
    const rows = rowsOf(frame, where);
    requireOrder(rows, seen.lastKey, where);
    if (seen.blocks === 0) requireOwnState(rows[0], header);
    await engine.batch(rows.map(({ key, value }): KvWrite => ({ kind: 'put', key, value })));
    seen.blocks += 1;
    seen.rows += BigInt(rows.length);
    seen.lastKey = rows.at(-1)?.key;
  }
}

interface Seen {
  blocks: number;
  rows: bigint;
  lastKey: Uint8Array | undefined;
}

function rowsOf({ kind, payload }: Frame, where: string): readonly KvEntry[] {
  if (kind !== FRAME.rows) throw damaged(where, `has kind ${kind}`);
  const rows = decodeRows(payload);
  if (rows === undefined || rows.length === 0) throw damaged(where, 'holds no whole rows');
  return rows;
}

function requireOrder(
  rows: readonly KvEntry[],
  lastKey: Uint8Array | undefined,
  where: string,
): void {
  let before = lastKey;
  for (const { key } of rows) {
    if (before !== undefined && compareBytes(before, key) >= 0) {
      throw damaged(where, 'has rows out of order');
    }
    before = key;
  }
}

/** The state's row sorts first, and says the same as the header. */
function requireOwnState(first: KvEntry | undefined, header: SnapshotHeader): void {
  if (first === undefined || compareBytes(first.key, stateKey()) !== 0) {
    throw damaged('block 1', 'does not begin with the state');
  }
  const state = decodeRow(CatalogState, first.value);
  const isSame =
    state.stateVersion === header.stateVersion &&
    state.incarnation === header.incarnation &&
    state.appliedIndex === header.appliedIndex &&
    state.appliedTerm === header.appliedTerm &&
    state.hash === header.hash &&
    state.metastoreId === header.metastoreId;
  if (!isSame) throw damaged('the header', 'and the state in block 1 disagree');
}

function requireComplete({ payload }: Frame, header: SnapshotHeader, seen: Seen): void {
  const { blocks, rows, hash } = decodeTrailer(payload);
  const isComplete =
    blocks > 0 && blocks === seen.blocks && rows === seen.rows && hash === header.hash;
  if (!isComplete) throw damaged('the trailer', `names ${blocks} blocks and ${rows} rows`);
}
