// One moment of the engine as a stream of chunks. Memory: one block, or the largest row.
import { LogtierError } from '../../base/errors.ts';
import { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { KvEntry, KvReader } from '../engine/kv-engine.ts';
import { type KeyRange, stateKey } from './keys.ts';
import { decodeRow } from './row.ts';
import {
  BLOCK_HEAD_BYTES,
  CHUNK_BYTES,
  crcAfter,
  CRC_BYTES,
  encodeFrameHead,
  encodeHeader,
  encodePreamble,
  encodeRows,
  encodeTrailer,
  FRAME,
  FRAME_HEAD_BYTES,
  MAX_ROW_BYTES,
  rowBytes,
} from './snapshot-format.ts';

/** A block of more rows than one makes one chunk. */
const MAX_PAYLOAD_BYTES = CHUNK_BYTES - FRAME_HEAD_BYTES - CRC_BYTES;

/** Every table byte there is. */
const ALL_ROWS: KeyRange = { from: Uint8Array.of(0), to: Uint8Array.of(0xff) };

/** The same bytes for the same content. `reader` must hold one moment: a snapshot of the engine. */
export async function* exportCatalog(
  reader: KvReader,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const state = await stateOf(reader);
  const preamble = encodePreamble();
  const frames = new FrameWriter(crcAfter(0, preamble));
  yield Buffer.concat([preamble, frames.write(FRAME.header, encodeHeader(state))]);
  let blocks = 0;
  let rows = 0n;
  for await (const { entries, payloadBytes } of blocksOf(reader)) {
    signal.throwIfAborted();
    yield* chunksOf(frames.write(FRAME.rows, encodeRows(entries, payloadBytes)));
    blocks += 1;
    rows += BigInt(entries.length);
  }
  signal.throwIfAborted();
  yield frames.write(FRAME.trailer, encodeTrailer({ blocks, rows, hash: state.hash }));
}

async function stateOf(reader: KvReader): Promise<CatalogState> {
  const row = await reader.get(stateKey());
  if (row !== undefined) return decodeRow(CatalogState, row);
  throw new LogtierError('METASTORE_UNAVAILABLE', 'nothing has been applied yet');
}

interface Block {
  readonly entries: readonly KvEntry[];
  readonly payloadBytes: number;
}

async function* blocksOf(reader: KvReader): AsyncGenerator<Block, void, undefined> {
  let entries: KvEntry[] = [];
  let payloadBytes = BLOCK_HEAD_BYTES;
  for await (const entry of reader.range(ALL_ROWS)) {
    const bytes = rowBytes(entry);
    requireBounded(bytes);
    if (entries.length > 0 && payloadBytes + bytes > MAX_PAYLOAD_BYTES) {
      yield { entries, payloadBytes };
      entries = [];
      payloadBytes = BLOCK_HEAD_BYTES;
    }
    entries.push(entry);
    payloadBytes += bytes;
  }
  if (entries.length > 0) yield { entries, payloadBytes };
}

function requireBounded(bytes: number): void {
  if (bytes <= MAX_ROW_BYTES) return;
  throw new LogtierError(
    'CORRUPT_STATE',
    `a catalog row of ${bytes} bytes exceeds ${MAX_ROW_BYTES}`,
  );
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    yield bytes.subarray(start, start + CHUNK_BYTES);
  }
}

class FrameWriter {
  private crc: number;

  constructor(crc: number) {
    this.crc = crc;
  }

  write(kind: number, payload: Uint8Array): Buffer {
    const head = encodeFrameHead(kind, payload.length);
    this.crc = crcAfter(this.crc, head, payload);
    const crc = Buffer.alloc(CRC_BYTES);
    crc.writeUInt32BE(this.crc, 0);
    return Buffer.concat([head, payload, crc]);
  }
}
