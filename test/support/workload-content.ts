// What the test workload writes, as a pure function of (seed, topic, partition, index), and one digest over what is read.
// Twin of testbeds/WorkloadContent.java: a record made here and one made there are equal byte for byte.
import { createHash } from 'node:crypto';

export interface ContentSpec {
  /** A 32-bit integer. */
  readonly seed: number;
  readonly topic: string;
  readonly partition: number;
  readonly valueBytes: number;
  /** Timestamp of index 0; each record is 1 ms later. Default: `WORKLOAD_EPOCH_MS`. */
  readonly firstTimestampMs?: number;
}

export interface WorkloadHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface WorkloadRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array;
  readonly headers: readonly WorkloadHeader[];
  readonly timestampMs: bigint;
}

/** A record as read by anyone; absent and null mean the same. */
export interface ReadRecord {
  readonly key?: Uint8Array | null | undefined;
  readonly value?: Uint8Array | null | undefined;
  readonly headers: readonly {
    readonly key: string | Uint8Array;
    readonly value?: Uint8Array | null | undefined;
  }[];
  readonly timestampMs: bigint | number;
}

/** Offsets are absent when no record was seen. `sha256` is over offset, timestamp, key, value and headers in order. */
export interface RecordsSummary {
  readonly count: number;
  readonly firstOffset: bigint | undefined;
  readonly lastOffset: bigint | undefined;
  readonly sha256: string;
}

/** `count` records from `startIndex` on that lie at consecutive offsets from `firstOffset` on. */
export interface ProducedRun {
  readonly content: ContentSpec;
  readonly startIndex: number;
  readonly count: number;
  readonly firstOffset: bigint;
}

/** 2023-11-14: before any test run, as brokers refuse timestamps an hour ahead of theirs. */
export const WORKLOAD_EPOCH_MS = 1_700_000_000_000;

const PHRASE = Buffer.from(
  '","level":"info","service":"orders","region":"eu-central-1","note":"the quick brown fox jumps over the lazy dog',
);
const TWO_TO_32 = 2 ** 32;
/** xorshift never leaves zero. */
const NONZERO_STATE = 0x9e3779b9 | 0;

/** The record at `index`; its value is half JSON-like text, half bytes that no codec shrinks. */
export function recordAt(spec: ContentSpec, index: number): WorkloadRecord {
  return {
    key: keyAt(spec, index),
    value: valueAt(spec, index),
    headers: headersAt(index),
    timestampMs: BigInt((spec.firstTimestampMs ?? WORKLOAD_EPOCH_MS) + index),
  };
}

/** The summary a reader must arrive at who reads these runs, in this order, and nothing else. */
export function expectedSummary(runs: readonly ProducedRun[]): RecordsSummary {
  const digest = new RecordsDigest();
  for (const run of runs) {
    for (let done = 0; done < run.count; done += 1) {
      digest.add(run.firstOffset + BigInt(done), recordAt(run.content, run.startIndex + done));
    }
  }
  return digest.summary();
}

export class RecordsDigest {
  readonly #hash = createHash('sha256');
  #count = 0;
  #firstOffset: bigint | undefined;
  #lastOffset: bigint | undefined;

  add(offset: bigint, record: ReadRecord): void {
    this.#firstOffset ??= offset;
    this.#lastOffset = offset;
    this.#count += 1;
    const head = Buffer.allocUnsafe(16);
    head.writeBigInt64BE(offset, 0);
    head.writeBigInt64BE(BigInt(record.timestampMs), 8);
    this.#hash.update(head);
    this.#addBytes(record.key);
    this.#addBytes(record.value);
    this.#hash.update(int32(record.headers.length));
    for (const header of record.headers) {
      this.#addBytes(typeof header.key === 'string' ? Buffer.from(header.key) : header.key);
      this.#addBytes(header.value);
    }
  }

  summary(): RecordsSummary {
    return {
      count: this.#count,
      firstOffset: this.#firstOffset,
      lastOffset: this.#lastOffset,
      sha256: this.#hash.copy().digest('hex'),
    };
  }

  #addBytes(bytes: Uint8Array | null | undefined): void {
    this.#hash.update(int32(bytes?.length ?? -1));
    if (bytes) this.#hash.update(bytes);
  }
}

/** Every 16th record has no key; the others share a thousand of them. */
function keyAt(spec: ContentSpec, index: number): Buffer | null {
  return index % 16 === 15 ? null : Buffer.from(`${spec.topic}-${spec.partition}-${index % 1000}`);
}

function headersAt(index: number): WorkloadHeader[] {
  const headers = [
    { key: 'index', value: Buffer.from(`${index}`) },
    { key: 'absent', value: null },
  ];
  return headers.slice(0, index % 3);
}

function valueAt(spec: ContentSpec, index: number): Buffer {
  const randomAt = Math.min(spec.valueBytes, (Math.ceil(spec.valueBytes / 2) + 3) & ~3);
  const backing = new ArrayBuffer((spec.valueBytes + 3) & ~3); // whole words
  const value = Buffer.from(backing, 0, spec.valueBytes);
  fillText(value.subarray(0, randomAt), spec, index);
  fillRandom(new Int32Array(backing, (randomAt + 3) & ~3), stateOf(spec, index));
  return value;
}

function fillText(into: Buffer, spec: ContentSpec, index: number): void {
  const head = `{"topic":"${spec.topic}","partition":${spec.partition},"index":${index},"seed":"${spec.seed}`;
  const headBytes = into.write(head, 0);
  if (headBytes < into.length) into.fill(PHRASE, headBytes);
}

/** xorshift32, each state written little-endian. */
function fillRandom(words: Int32Array, firstState: number): void {
  let state = firstState;
  for (let at = 0; at < words.length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
}

function stateOf(spec: ContentSpec, index: number): number {
  let hash = 0x811c9dc5 | 0; // FNV-1a
  for (const byte of Buffer.from(spec.topic)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = mix(hash ^ spec.seed);
  hash = mix(hash ^ spec.partition);
  hash = mix(hash ^ (index | 0));
  hash = mix(hash ^ Math.floor(index / TWO_TO_32));
  return hash === 0 ? NONZERO_STATE : hash;
}

/** The finalizer of MurmurHash3. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}
