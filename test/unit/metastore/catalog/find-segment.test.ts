import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DeleteReason,
  type FenceToken,
  type LeaderEpochEntry,
  RemoteStartMover,
  SegmentState,
  TopicMode,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import {
  epochFacts,
  findSegment,
  nextWithTransactions,
  segmentIdsOfEpoch,
  segmentsUpToTime,
} from '../../../../src/metastore/catalog/find-segment.ts';
import { allIndexRows } from '../../../../src/metastore/catalog/index-keys.ts';
import { topicId } from '../../../../src/segment/ids.ts';
import {
  type AnyOp,
  CatalogWorld,
  idNumber,
  PARTITION,
  segment,
  segmentOp,
  startOp,
  type TestClient,
  TOPIC_ID,
} from '../../../support/metastore-catalog.ts';
import { RemoteMetadataModel } from '../../../support/remote-metadata-cache.ts';

const ADDRESS = { cluster: 1, topicId: topicId(TOPIC_ID), partition: 0 };

interface Facts {
  readonly number: number;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly epochs: LeaderEpochEntry[];
  readonly hasTransactions: boolean;
  readonly maxTimestampMs: bigint;
}

class Partition {
  readonly model = new RemoteMetadataModel();
  readonly world: CatalogWorld;
  private readonly client: TestClient;
  private readonly token: FenceToken;
  private readonly ended = new Set<number>();
  private intents = 0;

  private constructor(world: CatalogWorld, client: TestClient, token: FenceToken) {
    this.world = world;
    this.client = client;
    this.token = token;
  }

  static async open(lineage: LeaderEpochEntry[], initialRemoteStart = 0n): Promise<Partition> {
    const world = await CatalogWorld.open();
    const client = await world.register();
    const claim = { lineage, initialRemoteStart, mode: TopicMode.PLUGIN };
    return new Partition(world, client, await world.claim(client, claim));
  }

  async start(facts: Facts): Promise<void> {
    this.intents += 1;
    const { number, hasTransactions, startOffset, nextOffset, epochs, maxTimestampMs } = facts;
    const fields = { startOffset, nextOffset, epochs, maxTimestampMs };
    const record = { ...fields, segmentId: idNumber(number), txnIndexEmpty: !hasTransactions };
    await this.run(startOp(this.token, this.intents, record));
    this.model.started(segment(record));
  }

  async finish(number: number): Promise<void> {
    await this.run(segmentOp('finishCopy', this.token, idNumber(number)));
    this.model.finished(idNumber(number));
  }

  async beginDelete(number: number, reason: DeleteReason = DeleteReason.BROKER): Promise<void> {
    const value = { partition: PARTITION, fenceToken: this.token, segmentId: idNumber(number) };
    await this.run({
      $case: 'startDelete',
      value: { ...value, reason, contradiction: undefined },
    });
    this.model.deleting(idNumber(number));
  }

  async end(number: number): Promise<void> {
    await this.run(segmentOp('finishDelete', this.token, idNumber(number)));
    this.model.ended(idNumber(number));
    this.ended.add(number);
  }

  async copy(startOffset: bigint, nextOffset: bigint, epoch = 0): Promise<number> {
    const number = this.intents + 1;
    const epochs = [{ epoch, startOffset }];
    const rest = { hasTransactions: false, maxTimestampMs: 5n };
    await this.start({ number, startOffset, nextOffset, epochs, ...rest });
    await this.finish(number);
    return number;
  }

  /** The next step of the segment's life; none when it is over. */
  async step(facts: Facts): Promise<void> {
    if (this.ended.has(facts.number)) return;
    const record = this.model.records.get(idNumber(facts.number));
    switch (record?.state) {
      case undefined:
        return await this.start(facts);
      case SegmentState.COPY_SEGMENT_STARTED:
        return await this.finish(facts.number);
      case SegmentState.COPY_SEGMENT_FINISHED:
        return await this.beginDelete(facts.number);
      default:
        return await this.end(facts.number);
    }
  }

  async run(op: AnyOp): Promise<void> {
    const [outcome] = await this.world.try(this.client, op);
    expect(['done', 'segmentChanged']).toContain(outcome);
  }

  async highest(epoch: number): Promise<bigint | undefined> {
    return (await epochFacts(this.world.engine, ADDRESS, epoch)).highestOffset;
  }

  async forget(): Promise<void> {
    await this.run({
      $case: 'forgetCopies',
      value: { partition: PARTITION, fenceToken: this.token },
    });
  }

  async moveStart(remoteStart: bigint): Promise<void> {
    const by = RemoteStartMover.OPERATOR;
    const value = { partition: PARTITION, fenceToken: this.token, remoteStart, by };
    await this.run({ $case: 'moveRemoteStart', value });
  }

  async expectLikeModel(): Promise<void> {
    const { engine } = this.world;
    for (const epoch of [0, 1, 2]) {
      const at = { epoch, offset: 0n };
      for (let offset = 0n; offset < 130n; offset += 1n) {
        const found = await findSegment(engine, ADDRESS, { ...at, offset });
        expect(found?.segmentId).toBe(this.model.find(epoch, offset));
        const next = await nextWithTransactions(engine, ADDRESS, { ...at, offset });
        expect(next?.segmentId).toBe(this.model.nextWithTransactions(epoch, offset));
        const walked = this.model.walkToTransactions(epoch, offset);
        const start =
          walked === undefined ? undefined : this.model.records.get(walked)!.startOffset;
        // Kafka's own walk finds nothing that begins before ours.
        if (start !== undefined) expect(next?.startOffset ?? 1_000n).toBeLessThanOrEqual(start);
      }
      const listed = await segmentIdsOfEpoch(engine, ADDRESS, epoch);
      expect([...listed].toSorted()).toEqual(this.model.listed(epoch));
      const { segments, logBytes, highestOffset } = await epochFacts(engine, ADDRESS, epoch);
      expect(segments).toBe(BigInt(listed.length));
      expect(logBytes).toBe(BigInt(listed.length) * 1000n);
      expect(highestOffset ?? -1n).toBeLessThan(this.model.highestNext(epoch) || 1n);
    }
    for (const upToMs of [-5n, 0n, 7n, 100n]) {
      const found = await segmentsUpToTime(engine, ADDRESS, { upToMs, limit: 100 });
      const times = found.map(({ maxTimestampMs }) => maxTimestampMs);
      expect(times).toEqual(times.toSorted((left, right) => Number(left - right)));
      const ids = found.map(({ segmentId }) => segmentId).toSorted();
      expect(ids).toEqual(this.model.upToTime(upToMs));
    }
  }
}

const anyFacts = (number: number): fc.Arbitrary<Facts> =>
  fc
    .tuple(
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 4 }),
      fc.subarray([0, 1, 2], { minLength: 1 }),
      fc.boolean(),
      fc.integer({ min: -10, max: 10 }),
    )
    .map(([start, tens, epochs, hasTransactions, timestamp]) => {
      const startOffset = BigInt(start) * 10n;
      return {
        number,
        startOffset,
        nextOffset: startOffset + BigInt(tens) * 10n,
        epochs: epochs.map((epoch, at) => ({ epoch, startOffset: startOffset + BigInt(at) * 3n })),
        hasTransactions,
        maxTimestampMs: BigInt(timestamp),
      };
    });

const histories = fc
  .tuple(...Array.from({ length: 9 }, (_, at) => anyFacts(at + 1)))
  .chain((all) => fc.array(fc.constantFrom(...all), { maxLength: 30 }));

test('look-ups, lists and sizes by epoch are those of a naive cache, after any history', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      const partition = await Partition.open([{ epoch: 0, startOffset: 0n }]);
      for (const facts of steps) await partition.step(facts);
      await partition.expectLikeModel();
    }),
    { numRuns: 20 },
  );
});

test('when a partition ends, only the facts of its epochs are left of its look-ups', async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      const partition = await Partition.open([{ epoch: 0, startOffset: 0n }]);
      for (const facts of steps) await partition.step(facts);
      for (const facts of steps) {
        const isThere = (): boolean => partition.model.records.has(idNumber(facts.number));
        while (isThere()) await partition.step(facts);
      }
      const { engine } = partition.world;
      const rows: number[] = [];
      for (const range of allIndexRows()) {
        for await (const { key } of engine.range(range)) rows.push(key[0] ?? 0);
      }
      expect(new Set(rows)).toEqual(new Set(steps.length > 0 ? [0x13] : []));
      for (const epoch of [0, 1, 2]) {
        const facts = await epochFacts(engine, ADDRESS, epoch);
        expect(facts).toMatchObject({ segments: 0n, logBytes: 0n });
      }
    }),
    { numRuns: 20 },
  );
});

test('the highest offset is the end of what was copied, and deletes by the broker do not lower it', async () => {
  const partition = await Partition.open([{ epoch: 0, startOffset: 0n }]);
  expect(await partition.highest(0)).toBeUndefined();
  const first = await partition.copy(0n, 100n);
  await partition.copy(100n, 200n);
  expect(await partition.highest(0)).toBe(199n);
  await partition.beginDelete(first);
  await partition.end(first);
  expect(await partition.highest(0)).toBe(199n);
});

test('the highest offset never passes a hole above the remote start, in a later epoch neither (rule 7)', async () => {
  const lineage = [
    { epoch: 0, startOffset: 0n },
    { epoch: 2, startOffset: 300n },
  ];
  const partition = await Partition.open(lineage);
  await partition.copy(0n, 100n);
  await partition.copy(200n, 300n);
  await partition.copy(300n, 400n, 2);
  expect([await partition.highest(0), await partition.highest(2)]).toEqual([99n, undefined]);
  await partition.copy(100n, 200n);
  expect([await partition.highest(0), await partition.highest(2)]).toEqual([299n, 399n]);
});

test('below the remote start nothing is a hole (rule 7)', async () => {
  const partition = await Partition.open([{ epoch: 0, startOffset: 0n }], 500n);
  await partition.copy(500n, 600n);
  expect(await partition.highest(0)).toBe(599n);
  await partition.copy(700n, 800n);
  expect(await partition.highest(0)).toBe(599n);
  await partition.moveStart(700n);
  expect(await partition.highest(0)).toBe(799n);
});

test('what an operator erased counts as copied no more (rule 7)', async () => {
  const partition = await Partition.open([{ epoch: 0, startOffset: 0n }]);
  await partition.copy(0n, 100n);
  const second = await partition.copy(100n, 200n);
  await partition.copy(200n, 300n);
  await partition.beginDelete(second, DeleteReason.OPERATOR);
  expect(await partition.highest(0)).toBe(99n);
});

test('what a deposed leader copied beyond its epoch counts up to the lineage’s end of it (rule 7)', async () => {
  const lineage = [
    { epoch: 0, startOffset: 0n },
    { epoch: 1, startOffset: 150n },
  ];
  const partition = await Partition.open(lineage);
  await partition.copy(0n, 200n);
  expect([await partition.highest(0), await partition.highest(1)]).toEqual([149n, undefined]);
  await partition.copy(150n, 300n, 1);
  expect([await partition.highest(0), await partition.highest(1)]).toEqual([149n, 299n]);
});

test('tiering that was switched off with its data begins from nothing (rule 7)', async () => {
  const partition = await Partition.open([{ epoch: 0, startOffset: 0n }]);
  const first = await partition.copy(0n, 100n);
  await partition.forget();
  await partition.beginDelete(first);
  await partition.end(first);
  expect(await partition.highest(0)).toBeUndefined();
  await partition.copy(50n, 150n);
  expect(await partition.highest(0)).toBeUndefined();
  await partition.moveStart(50n);
  expect(await partition.highest(0)).toBe(149n);
});
