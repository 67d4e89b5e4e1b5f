// Reads a log back and judges its end. Changes nothing on disk; the tail is mended by the writer.
//
// A record that does not read is a torn tail exactly when no later header says that it had been on
// disk: such a header was written after the fdatasync that covered it, so what we see is damage.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk, errnoOf } from '../../platform/disk.ts';
import { LogState } from './log-state.ts';
import {
  corruptWal,
  decodeFileHeader,
  FILE_HEADER_BYTES,
  fileSalt,
  parseFileName,
  printFileName,
  type WalFileHeader,
  type WalFileName,
  type WalIdentity,
} from './wal-file.ts';
import {
  type Chain,
  continuesChain,
  decodeHeader,
  decodePayload,
  storedBytes,
} from './wal-record.ts';

/** The newest file and where its good records end. */
export interface WalTail {
  readonly name: WalFileName;
  readonly version: number;
  readonly salt: number;
  readonly sizeBytes: number;
  /** Start of the first record that no later record calls durable: written anew on opening. */
  readonly unprovenFrom: number;
  /** End of the good records. */
  readonly end: number;
  /** End of what a crash left behind the good records; equals `end` when there is nothing. */
  readonly junkEnd: number;
  readonly chain: Chain;
}

export interface RecoveredWal {
  /** Oldest first; the last one is the tail's. */
  readonly files: readonly WalFileName[];
  readonly state: LogState;
  readonly tail: WalTail;
}

/** Good records of one file. */
interface ScannedFile {
  readonly path: string;
  readonly name: WalFileName;
  readonly version: number;
  readonly bytes: Buffer;
  readonly salt: number;
  /** `positions[i]` is that of the record with ordinal `before.ordinal + 1 + i`. */
  readonly positions: readonly number[];
  readonly before: Chain;
  readonly end: number;
  readonly chain: Chain;
  /** Largest ordinal that a good record calls durable. */
  readonly durable: number;
}

/** Undefined when the directory holds no log yet. */
export async function recoverWal(
  disk: Disk,
  directory: string,
  identity: WalIdentity,
): Promise<RecoveredWal | undefined> {
  const files = await listFiles(disk, directory);
  const [oldest] = files;
  if (oldest === undefined) return undefined;
  requireNoGap(files, directory);
  const state = new LogState(oldest.firstIndex);
  let scanned: ScannedFile | undefined;
  for (const name of files) {
    const path = `${directory}/${printFileName(name)}`;
    const bytes = await readWhole(disk, path);
    const header = decodeFileHeader(bytes, path);
    requireIdentity(header, identity, path);
    requireContinuation(header, name, scanned, path);
    scanned = scanRecords({ path, name, bytes, version: header.version }, header, state);
  }
  if (scanned === undefined) return undefined;
  const tail = judgeTail(scanned);
  requireReach(state, oldest, directory);
  return { files, state, tail };
}

async function listFiles(disk: Disk, directory: string): Promise<WalFileName[]> {
  try {
    const entries = await disk.list(directory);
    const names = entries
      .map(({ name }) => parseFileName(name))
      .filter((name) => name !== undefined);
    return names.toSorted((left, right) => left.seq - right.seq);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw diskError(error, `listing ${directory}`);
  }
}

async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  try {
    return await disk.readFile(path);
  } catch (error) {
    throw diskError(error, `reading ${path}`);
  }
}

function requireNoGap(files: readonly WalFileName[], directory: string): void {
  const behindGap = files.find((file, at) => at > 0 && file.seq !== (files[at - 1]?.seq ?? 0) + 1);
  if (behindGap === undefined) return;
  const path = `${directory}/${printFileName(behindGap)}`;
  throw corruptWal(path, 0, 'the file before this one is missing, or there are two of one number');
}

function requireIdentity(header: WalIdentity, identity: WalIdentity, path: string): void {
  if (header.clusterId === identity.clusterId && header.nodeId === identity.nodeId) return;
  const theirs = `member ${header.nodeId} of metastore ${header.clusterId}`;
  const ours = `member ${identity.nodeId} of ${identity.clusterId}`;
  throw new LogtierError('WRONG_CLUSTER', `${path} belongs to ${theirs}, this is ${ours}`, {
    hint: 'check the data directory and the cluster id; a copied directory cannot become another member',
    details: { path },
  });
}

function requireContinuation(
  header: WalFileHeader,
  name: WalFileName,
  previous: ScannedFile | undefined,
  path: string,
): void {
  if (header.seq !== name.seq || header.firstIndex !== name.firstIndex) {
    throw corruptWal(path, 0, 'its header and its name differ: the file was renamed');
  }
  if (previous === undefined) return;
  const { chain } = previous;
  if (header.before.ordinal === chain.ordinal && header.before.crc === chain.crc) return;
  // A file gets its name only after everything before it is durable: this is no torn tail.
  const lost = header.before.ordinal - chain.ordinal;
  throw corruptWal(
    previous.path,
    previous.end,
    lost > 0 ? `a record is damaged; ${lost} were written from here on` : 'files of different logs',
  );
}

/** Takes every record up to the first that does not read or follow; each is applied to `state`. */
function scanRecords(
  file: Pick<ScannedFile, 'path' | 'name' | 'bytes' | 'version'>,
  fileHeader: WalFileHeader,
  state: LogState,
): ScannedFile {
  const { bytes, path, name } = file;
  const salt = fileSalt(bytes);
  const positions: number[] = [];
  let chain = fileHeader.before;
  let durable = chain.ordinal;
  let at = FILE_HEADER_BYTES;
  while (true) {
    const header = decodeHeader(bytes, at, { salt, position: at });
    if (header === undefined || !continuesChain(bytes, at, header, chain)) break;
    const record = decodePayload(bytes, at, header);
    if (record === undefined) break;
    const refusal = state.apply(record, { seq: name.seq, position: at });
    if (refusal !== undefined) throw corruptWal(path, at, refusal);
    positions.push(at);
    chain = { crc: header.chainCrc, ordinal: header.ordinal };
    durable = Math.max(durable, header.durable);
    at += storedBytes(header);
  }
  return { ...file, salt, positions, before: fileHeader.before, end: at, chain, durable };
}

function judgeTail(file: ScannedFile): WalTail {
  const { bytes, end, salt, chain, name, version } = file;
  const junkEnd = Math.max(end, endOfData(bytes));
  const bad = chain.ordinal + 1;
  for (let at = end; at < junkEnd; at += 8) {
    const header = decodeHeader(bytes, at, { salt, position: at });
    if (header === undefined || header.durable < bad) continue;
    const what = `record ${bad} is damaged, but record ${header.ordinal} at byte ${at} was written after it was safe on disk`;
    throw corruptWal(file.path, end, what);
  }
  const firstUnproven = file.positions[file.durable - file.before.ordinal] ?? end;
  const sizeBytes = bytes.length;
  return { name, version, salt, sizeBytes, unprovenFrom: firstUnproven, end, junkEnd, chain };
}

/** End of the last block that is not all zeros, to the byte. */
function endOfData(bytes: Buffer): number {
  const zeros = Buffer.alloc(65_536);
  let end = bytes.length;
  while (end > 0) {
    const start = Math.max(0, end - zeros.length);
    if (bytes.compare(zeros, 0, end - start, start, end) !== 0) break;
    end = start;
  }
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}

/** Files go from the old end only, and only below a snapshot: else some are missing. */
function requireReach(state: LogState, oldest: WalFileName, directory: string): void {
  const needed = (state.snapshot?.index ?? 0n) + 1n;
  const { first } = state.entries;
  if (first <= needed) return;
  const path = `${directory}/${printFileName(oldest)}`;
  throw corruptWal(
    path,
    0,
    `entries ${needed} to ${first - 1n} are in no file: older files are missing`,
  );
}
