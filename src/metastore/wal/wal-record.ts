// One record of the write-ahead log as bytes. The whole format: docs/wal-format.md
//
//    0      4      8    9    12        16       24       32          36        40
//    ┌──────┬──────┬────┬────┬─────────┬────────┬────────┬───────────┬─────────┬─────────┬─────────┐
//    │header│chain │type│WAL │ payload │ordinal │durable │ payload   │ zero    │ payload │ zeros   │
//    │ CRC  │ CRC  │    │    │ bytes   │        │        │ CRC       │         │         │ to 8 n  │
//    └──────┴──────┴────┴────┴─────────┴────────┴────────┴───────────┴─────────┴─────────┴─────────┘
import { crc32 } from '../../base/checksum.ts';

export interface WalEntry {
  readonly index: bigint;
  readonly term: bigint;
  /** The command is a change of the group's members, for the log itself. */
  readonly changesMembers: boolean;
  readonly command: Uint8Array;
}

export interface HardState {
  readonly term: bigint;
  readonly vote: bigint;
  readonly commit: bigint;
}

export interface SnapshotMark {
  readonly index: bigint;
  readonly term: bigint;
}

/** Who is in the group once entry `index` is applied; what `state` says is the business of the log's owner. */
export interface MembershipMark {
  readonly index: bigint;
  readonly state: Uint8Array;
}

export type WalRecord =
  | ({ readonly kind: 'entry' } & WalEntry)
  | ({ readonly kind: 'hardState' } & HardState)
  /** Everything up to `index` is durable elsewhere; beyond the last entry, the log starts anew after it. */
  | ({ readonly kind: 'snapshotMarker' } & SnapshotMark)
  /** Entries from `fromIndex` on are void. */
  | { readonly kind: 'truncate'; readonly fromIndex: bigint }
  /** Says nothing but its header: up to `durable` everything was on disk. */
  | { readonly kind: 'mark' }
  | ({ readonly kind: 'membership' } & MembershipMark);

/** Where the log stands: what the next record continues. */
export interface Chain {
  /** Chain CRC of the last record. */
  readonly crc: number;
  /** Number of the last record since the log began; the first is 1. */
  readonly ordinal: number;
}

export interface RecordHeader {
  readonly type: number;
  readonly payloadBytes: number;
  readonly chainCrc: number;
  readonly ordinal: number;
  /** Last ordinal known to be on disk when this record was written. */
  readonly durable: number;
  readonly payloadCrc: number;
}

export const RECORD_HEADER_BYTES = 40;

/** `WAL` behind the type byte: most bytes that are no header are told apart without a CRC. */
const MAGIC = 0x57414c;

const TYPES = {
  entry: 1,
  hardState: 2,
  snapshotMarker: 3,
  truncate: 4,
  mark: 5,
  membership: 7,
} as const;

/** An entry that changes the members. */
const MEMBER_ENTRY_TYPE = 6;

/** Bytes of payload per kind; an entry and a membership have at least these. */
const PAYLOAD_BYTES = {
  entry: 16,
  hardState: 24,
  snapshotMarker: 16,
  truncate: 8,
  mark: 0,
  membership: 8,
} as const;

function paddedBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(payloadBytes / 8) * 8;
}

export function recordBytes(record: WalRecord): number {
  return paddedBytes(PAYLOAD_BYTES[record.kind] + tailOf(record).length);
}

/** The part of a payload that may have any length. */
function tailOf(record: WalRecord): Uint8Array {
  if (record.kind === 'entry') return record.command;
  return record.kind === 'membership' ? record.state : NOTHING;
}

const NOTHING = new Uint8Array(0);

function typeOf(record: WalRecord): number {
  const isMemberEntry = record.kind === 'entry' && record.changesMembers;
  return isMemberEntry ? MEMBER_ENTRY_TYPE : TYPES[record.kind];
}

/** Bytes from this header to the next record. */
export function storedBytes(header: RecordHeader): number {
  return paddedBytes(header.payloadBytes);
}

/** What an encoder needs to know about the place of a record. */
export interface RecordPlace {
  /** CRC of the file's header: the same bytes in another file are no record. */
  readonly salt: number;
  readonly position: number;
  readonly durable: number;
}

/** Writes `record` at the start of `into`, which has room for it; the chain after it. */
export function encodeRecord(
  into: Buffer,
  record: WalRecord,
  before: Chain,
  place: RecordPlace,
): Chain {
  const size = recordBytes(record);
  into.fill(0, 0, RECORD_HEADER_BYTES);
  into.fill(0, size - 8, size);
  const payloadBytes = writePayload(into, record);
  const ordinal = before.ordinal + 1;
  into.writeUInt8(typeOf(record), 8);
  into.writeUIntBE(MAGIC, 9, 3);
  into.writeUInt32BE(payloadBytes, 12);
  into.writeBigUInt64BE(BigInt(ordinal), 16);
  into.writeBigUInt64BE(BigInt(place.durable), 24);
  const payload = into.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + payloadBytes);
  into.writeUInt32BE(crc32(payload), 32);
  const crc = crc32(into.subarray(8, RECORD_HEADER_BYTES), before.crc);
  into.writeUInt32BE(crc, 4);
  into.writeUInt32BE(headerCrc(into, 0, place), 0);
  return { crc, ordinal };
}

function headerCrc(
  bytes: Buffer,
  at: number,
  place: Pick<RecordPlace, 'salt' | 'position'>,
): number {
  const seed = (place.salt ^ place.position) >>> 0;
  return crc32(bytes.subarray(at + 4, at + RECORD_HEADER_BYTES), seed);
}

function writePayload(into: Buffer, record: WalRecord): number {
  const at = RECORD_HEADER_BYTES;
  switch (record.kind) {
    case 'entry':
      into.writeBigUInt64BE(record.index, at);
      into.writeBigUInt64BE(record.term, at + 8);
      into.set(record.command, at + 16);
      return 16 + record.command.length;
    case 'hardState':
      into.writeBigUInt64BE(record.term, at);
      into.writeBigUInt64BE(record.vote, at + 8);
      into.writeBigUInt64BE(record.commit, at + 16);
      return 24;
    case 'snapshotMarker':
      into.writeBigUInt64BE(record.index, at);
      into.writeBigUInt64BE(record.term, at + 8);
      return 16;
    case 'truncate':
      into.writeBigUInt64BE(record.fromIndex, at);
      return 8;
    case 'mark':
      return 0;
    case 'membership':
      into.writeBigUInt64BE(record.index, at);
      into.set(record.state, at + 8);
      return 8 + record.state.length;
  }
}

/**
 * The header at `at` of `bytes`; undefined when there is none. `position` is that of `at` in its file.
 * Sound by itself: needs neither the record before nor the payload.
 */
export function decodeHeader(
  bytes: Buffer,
  at: number,
  place: Pick<RecordPlace, 'salt' | 'position'>,
): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length) return undefined;
  if (bytes.readUIntBE(at + 9, 3) !== MAGIC) return undefined;
  if (bytes.readUInt32BE(at) !== headerCrc(bytes, at, place)) return undefined;
  return {
    type: bytes.readUInt8(at + 8),
    payloadBytes: bytes.readUInt32BE(at + 12),
    chainCrc: bytes.readUInt32BE(at + 4),
    ordinal: Number(bytes.readBigUInt64BE(at + 16)),
    durable: Number(bytes.readBigUInt64BE(at + 24)),
    payloadCrc: bytes.readUInt32BE(at + 32),
  };
}

/** Whether the record at `at` follows `before` directly. */
export function continuesChain(
  bytes: Buffer,
  at: number,
  header: RecordHeader,
  before: Chain,
): boolean {
  const crc = crc32(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES), before.crc);
  return header.ordinal === before.ordinal + 1 && header.chainCrc === crc;
}

/** The record under `header` at `at`, its command a view of `bytes`; undefined when the payload is damaged. */
export function decodePayload(
  bytes: Buffer,
  at: number,
  header: RecordHeader,
): WalRecord | undefined {
  const start = at + RECORD_HEADER_BYTES;
  if (start + header.payloadBytes > bytes.length) return undefined;
  const payload = bytes.subarray(start, start + header.payloadBytes);
  return crc32(payload) === header.payloadCrc ? parsePayload(header.type, payload) : undefined;
}

function parsePayload(type: number, payload: Buffer): WalRecord | undefined {
  const kind = kindOf(type);
  if (kind === undefined || payload.length < PAYLOAD_BYTES[kind]) return undefined;
  const word = (at: number): bigint => payload.readBigUInt64BE(at * 8);
  switch (kind) {
    case 'entry': {
      const changesMembers = type === MEMBER_ENTRY_TYPE;
      const command = payload.subarray(16);
      return { kind: 'entry', index: word(0), term: word(1), changesMembers, command };
    }
    case 'hardState':
      return { kind: 'hardState', term: word(0), vote: word(1), commit: word(2) };
    case 'snapshotMarker':
      return { kind: 'snapshotMarker', index: word(0), term: word(1) };
    case 'truncate':
      return { kind: 'truncate', fromIndex: word(0) };
    case 'mark':
      return { kind: 'mark' };
    case 'membership':
      return { kind: 'membership', index: word(0), state: Uint8Array.from(payload.subarray(8)) };
  }
}

function kindOf(type: number): WalRecord['kind'] | undefined {
  return KIND_OF_TYPE.get(type);
}

const KIND_OF_TYPE: ReadonlyMap<number, WalRecord['kind']> = new Map([
  [TYPES.entry, 'entry'],
  [TYPES.hardState, 'hardState'],
  [TYPES.snapshotMarker, 'snapshotMarker'],
  [TYPES.truncate, 'truncate'],
  [TYPES.mark, 'mark'],
  [MEMBER_ENTRY_TYPE, 'entry'],
  [TYPES.membership, 'membership'],
]);
