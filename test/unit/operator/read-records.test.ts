import { expect, test } from 'vitest';
import { decompress } from '../../../src/base/decompress.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import type { FetchedBatches, FetchQuery } from '../../../src/broker/broker-view.ts';
import type { ReadRecordsResponse } from '../../../src/gen/logtier/v1/operator.ts';
import {
  readRecords,
  type RecordsWanted,
  type RemoteEvent,
  type RemoteQuery,
  type RemoteVerdict,
} from '../../../src/operator/read-records.ts';
import {
  buildSegment,
  endTransaction,
  plainBatches,
  type BatchSpec,
  type BuiltSegment,
} from '../../support/kafka-files.ts';

const never = new AbortController().signal;
const PRODUCER = 9n;
const OUT_OF_RANGE = new LogtierError('OFFSET_OUT_OF_RANGE', 'not on this disk');
const wanted: RecordsWanted = {
  topic: 'orders',
  partition: 0,
  fromOffset: 0n,
  count: 1_000n,
  committedOnly: false,
};

interface World {
  readonly remote: readonly BuiltSegment[];
  readonly local: BuiltSegment;
  readonly gaps?: Readonly<Record<string, bigint>>;
  readonly aborted?: readonly { producerId: bigint; firstOffset: bigint }[];
  readonly lastStableOffset?: bigint;
  readonly localError?: LogtierError;
  readonly notReady?: string;
  readonly undecidedAt?: bigint;
}

/** Batches from the one that holds `offset`; at most one when `single`. */
function batchesFrom(segment: BuiltSegment, offset: bigint): Buffer {
  const found = segment.batches.filter((batch) => batch.lastOffset >= offset);
  return Buffer.concat(found.map(({ bytes }) => bytes));
}

function verdictOf(world: World, { offset }: RemoteQuery): RemoteVerdict {
  if (world.notReady !== undefined) return { kind: 'not-ready', reason: world.notReady };
  const next = world.gaps?.[String(offset)];
  if (next !== undefined) return { kind: 'gap', next };
  if (offset === world.undecidedAt) return { kind: 'served' };
  const { baseOffset, nextOffset } = world.local;
  if (offset > nextOffset) return { kind: 'out-of-range', start: 0n, end: nextOffset };
  if (offset >= baseOffset) return { kind: 'ask-broker', offset };
  return { kind: 'served' };
}

class Tiers {
  readonly asked: string[] = [];
  readonly decompress = decompress;
  private readonly world: World;
  readonly remote = {
    fetch: (query: RemoteQuery): AsyncIterable<RemoteEvent> => this.fetchRemote(query),
  };
  readonly broker = {
    fetch: (query: FetchQuery): Promise<FetchedBatches> => this.fetchLocal(query),
  };

  constructor(world: World) {
    this.world = world;
  }

  private async *fetchRemote(query: RemoteQuery): AsyncGenerator<RemoteEvent> {
    await Promise.resolve();
    const verdict = verdictOf(this.world, query);
    yield { kind: 'verdict', verdict };
    if (verdict.kind !== 'served') return;
    if (query.offset === this.world.undecidedAt)
      throw new LogtierError('NOT_READY', 'the end of a transaction is not in the remote tier yet');
    this.asked.push(`remote ${query.offset}`);
    const segment = this.world.remote.find(({ nextOffset }) => nextOffset > query.offset)!;
    const bytes = batchesFrom(segment, query.offset);
    // One buffer for all messages, as the fetcher has: what is not copied is overwritten.
    const buffer = Buffer.alloc(100);
    for (let at = 0; at < bytes.length; at += buffer.length) {
      const length = bytes.copy(buffer, 0, at, Math.min(bytes.length, at + buffer.length));
      yield { kind: 'batches', bytes: buffer.subarray(0, length) };
    }
    const aborted = query.committedOnly ? (this.world.aborted ?? []) : [];
    yield { kind: 'end', nextOffset: segment.nextOffset, aborted };
  }

  private async fetchLocal({ offset, committedOnly }: FetchQuery): Promise<FetchedBatches> {
    await Promise.resolve();
    this.asked.push(`local ${offset}`);
    const { local, lastStableOffset = local.nextOffset, localError } = this.world;
    if (localError !== undefined) throw localError;
    const bound = committedOnly ? lastStableOffset : local.nextOffset;
    const all = local.batches.filter(
      ({ lastOffset, baseOffset }) => lastOffset >= offset && baseOffset < bound,
    );
    return {
      batches: Buffer.concat(all.slice(0, 2).map(({ bytes }) => bytes)),
      highWatermark: local.nextOffset,
      lastStableOffset,
      logStartOffset: local.baseOffset,
      aborted: committedOnly ? (this.world.aborted ?? []) : [],
    };
  }
}

async function read(tiers: Tiers, more: Partial<RecordsWanted> = {}) {
  const answers: ReadRecordsResponse[] = [];
  for await (const answer of readRecords(tiers, { ...wanted, ...more }, never))
    answers.push(answer);
  const records = answers.flatMap((answer) => answer.records);
  return {
    offsets: records.map(({ offset }) => Number(offset)),
    tiers: [...new Set(records.map(({ tier }) => tier))],
    gaps: answers.flatMap(({ gap }) => (gap === undefined ? [] : [gap])),
    notes: answers.flatMap(({ note }) => (note === '' ? [] : [note])),
    records,
  };
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

function segmentOf(baseOffset: bigint, batches: readonly BatchSpec[]): Promise<BuiltSegment> {
  return buildSegment({ baseOffset, batches });
}

async function plainWorld(): Promise<World> {
  return {
    remote: [
      await segmentOf(0n, plainBatches(30, { codec: 'zstd' })),
      await segmentOf(30n, plainBatches(20, { codec: 'snappy' })),
    ],
    local: await segmentOf(50n, plainBatches(50, { codec: 'lz4' })),
  };
}

test('reads compressed records of both tiers in order, each labelled, to the end of the log', async () => {
  const tiers = new Tiers(await plainWorld());
  const { records, ...answer } = await read(tiers, { fromOffset: 5n });
  expect(answer).toEqual({
    offsets: range(5, 100),
    tiers: ['remote', 'local'],
    gaps: [],
    notes: ['read up to offset 100: the log ends there'],
  });
  expect(records[0]).toEqual({
    offset: 5n,
    timestampMs: 1_700_000_005_000n,
    key: Buffer.from('key-5'),
    value: Buffer.from('value-5-'.padEnd(100, 'abcdefghij')),
    headers: [],
    tier: 'remote',
  });
  expect(records.findIndex(({ tier }) => tier === 'local')).toBe(45);
  expect(tiers.asked.slice(0, 3)).toEqual(['remote 5', 'remote 30', 'local 50']);
});

test('stops at the count and asks no further', async () => {
  const tiers = new Tiers(await plainWorld());
  const { offsets, notes } = await read(tiers, { fromOffset: 25n, count: 7n });
  expect(offsets).toEqual(range(25, 32));
  expect(notes).toEqual([]);
  expect(tiers.asked).toEqual(['remote 25', 'remote 30']);
});

test('a gap is told and reading goes on behind it', async () => {
  const world = await plainWorld();
  const tiers = new Tiers({ ...world, gaps: { '30': 50n } });
  const { offsets, gaps } = await read(tiers);
  expect(offsets).toEqual([...range(0, 30), ...range(50, 100)]);
  expect(gaps).toEqual([{ start: 30n, end: 50n }]);
});

const data = (producerId: bigint, value: string): BatchSpec => ({
  epoch: 0,
  transactional: true,
  producerId,
  producerEpoch: 0,
  baseSequence: 0,
  records: [{ value, timestampMs: 1 }],
});

function transactions(): BatchSpec[] {
  const end = { epoch: 0, timestampMs: 1 };
  return [
    data(PRODUCER, 'undone'),
    data(4n, 'done'),
    endTransaction('abort', { ...end, producerId: PRODUCER }),
    data(PRODUCER, 'done later'),
    endTransaction('commit', { ...end, producerId: 4n }),
    endTransaction('commit', { ...end, producerId: PRODUCER }),
  ];
}

test.each(['remote', 'local'] as const)(
  'of the %s tier, markers are never told, and aborted records only when all are wanted',
  async (tier) => {
    const mixed = await segmentOf(0n, transactions());
    const end = await segmentOf(tier === 'local' ? 0n : 6n, tier === 'local' ? transactions() : []);
    const aborted = [{ producerId: PRODUCER, firstOffset: 0n }];
    const world = { remote: [mixed], local: end, aborted };
    const all = await read(new Tiers(world));
    expect([all.offsets, all.tiers]).toEqual([[0, 1, 3], [tier]]);
    const committed = await read(new Tiers(world), { committedOnly: true });
    expect(committed.offsets).toEqual([1, 3]);
  },
);

test('committed records end below an open transaction, with a note', async () => {
  const world = await plainWorld();
  const tiers = new Tiers({ ...world, lastStableOffset: 70n });
  const { offsets, notes } = await read(tiers, { fromOffset: 45n, committedOnly: true });
  expect(offsets).toEqual(range(45, 70));
  expect(notes).toEqual(['read up to offset 70: a transaction is open there']);
});

test('where the remote tier does not know yet how a transaction ended, the broker is asked', async () => {
  const world = await plainWorld();
  const local = await segmentOf(30n, plainBatches(70));
  const tiers = new Tiers({ ...world, local, undecidedAt: 40n });
  const { offsets } = await read(tiers, { fromOffset: 40n, committedOnly: true });
  expect(offsets).toEqual(range(40, 100));
  const undecided = new Tiers({ ...world, undecidedAt: 10n, localError: OUT_OF_RANGE });
  await expect(read(undecided, { fromOffset: 10n, committedOnly: true })).rejects.toMatchObject({
    code: 'NOT_READY',
  });
});

test('offsets that compaction took away are passed over', async () => {
  const batches = [
    { ...plainBatches(2)[0]!, lastOffsetDelta: 9 },
    { ...plainBatches(2)[0]!, baseOffset: 20n },
  ];
  const local = await segmentOf(0n, batches);
  const { offsets } = await read(new Tiers({ remote: [], local }), { fromOffset: 1n });
  expect(offsets).toEqual([1, 20, 21]);
});

test('an offset outside the log names the offsets there are', async () => {
  const tiers = new Tiers(await plainWorld());
  await expect(read(tiers, { fromOffset: 101n })).rejects.toMatchObject({
    code: 'OFFSET_OUT_OF_RANGE',
    hint: 'its offsets go from 0 to 100',
  });
});

test('a view that is not ready is an error, never an empty answer', async () => {
  const tiers = new Tiers({ ...(await plainWorld()), notReady: 'view' });
  await expect(read(tiers)).rejects.toMatchObject({
    code: 'NOT_READY',
    message: 'orders-0 at offset 0: the local view is not complete or not fresh',
  });
});

test('where another broker leads, the remote part is read and a note says where it ended', async () => {
  const localError = new LogtierError(
    'NOT_LEADER_OR_FOLLOWER',
    'the broker does not lead orders-0',
  );
  const tiers = new Tiers({ ...(await plainWorld()), localError });
  const { offsets, notes } = await read(tiers);
  expect(offsets).toEqual(range(0, 50));
  expect(notes).toEqual(['offset 50 and above were not read: the broker does not lead orders-0']);
  await expect(read(tiers, { fromOffset: 60n })).rejects.toBe(localError);
});

test('many records come in pages that a message can carry', async () => {
  const local = await segmentOf(0n, plainBatches(2_500, { batchRecords: 2_500 }));
  const pages: number[] = [];
  const tiers = new Tiers({ remote: [], local });
  for await (const { records } of readRecords(tiers, { ...wanted, count: 2_300n }, never)) {
    pages.push(records.length);
  }
  expect(pages).toEqual([1_000, 1_000, 300]);
});

test('a damaged batch is an error, not a record', async () => {
  const world = await plainWorld();
  world.local.batches[0]!.bytes[70]! ^= 1;
  const read50 = read(new Tiers(world), { fromOffset: 50n });
  await expect(read50).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
});
