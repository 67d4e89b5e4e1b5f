// Entries back from the files of the log, each checked by its own CRCs.
import { assert } from '../../base/assert.ts';
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk, type DiskFile, errnoOf } from '../../platform/disk.ts';
import type { EntryPlace } from './entry-index.ts';
import { corruptWal, FILE_HEADER_BYTES, fileSalt } from './wal-file.ts';
import {
  decodeHeader,
  decodePayload,
  RECORD_HEADER_BYTES,
  storedBytes,
  type WalEntry,
} from './wal-record.ts';

/** Entries that one read hands out at most, whatever their size. */
export const MAX_READ_ENTRIES = 4096;

/** Entries at `places` of one file from its start on, as many as fit into `maxBytes`, at least one. */
export async function readEntries(
  disk: Disk,
  path: string,
  places: readonly EntryPlace[],
  maxBytes: number,
): Promise<WalEntry[]> {
  let file: DiskFile | undefined;
  try {
    file = await disk.open(path, 'read');
    return await readFrom(file, places, maxBytes);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw diskError(error, `reading ${path}`);
    throw new LogtierError('COMPACTED', `${path} has been compacted away`, { cause: error });
  } finally {
    await file?.close();
  }
}

async function readFrom(
  file: DiskFile,
  places: readonly EntryPlace[],
  maxBytes: number,
): Promise<WalEntry[]> {
  const start = places[0]?.position;
  assert(start !== undefined, 'a read names an entry');
  const head = Buffer.alloc(FILE_HEADER_BYTES);
  await file.read(head, 0);
  const salt = fileSalt(head);
  const window = await readWindow(file, start, maxBytes, salt);
  const entries: WalEntry[] = [];
  for (const { position } of places) {
    const entry = entryAt(window, position - start, { salt, position });
    // One that the window cuts off begins the next read; only the first must be whole.
    if (entry === undefined && entries.length > 0) break;
    if (entry === undefined) {
      throw corruptWal(file.path, position, 'an entry that was written does not read any more');
    }
    entries.push(entry);
  }
  return entries;
}

/** At least the whole record at `start`. */
async function readWindow(
  file: DiskFile,
  start: number,
  maxBytes: number,
  salt: number,
): Promise<Buffer> {
  const window = Buffer.allocUnsafe(Math.max(maxBytes, RECORD_HEADER_BYTES));
  const bytes = window.subarray(0, await file.read(window, start));
  const header = decodeHeader(bytes, 0, { salt, position: start });
  const needed = header === undefined ? 0 : storedBytes(header);
  return needed > window.length ? readWindow(file, start, needed, salt) : bytes;
}

function entryAt(
  window: Buffer,
  at: number,
  place: { readonly salt: number; readonly position: number },
): WalEntry | undefined {
  const header = decodeHeader(window, at, place);
  const record = header === undefined ? undefined : decodePayload(window, at, header);
  if (record?.kind !== 'entry') return undefined;
  const { index, term, changesMembers, command } = record;
  return { index, term, changesMembers, command };
}
