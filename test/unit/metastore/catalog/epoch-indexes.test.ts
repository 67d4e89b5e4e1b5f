import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { EpochIndexes } from '../../../../src/metastore/catalog/epoch-indexes.ts';
import { findSegment, findStart } from '../../../../src/metastore/catalog/find-segment.ts';
import {
  epochStartKey,
  epochStarts,
  epochStartValue,
} from '../../../../src/metastore/catalog/index-keys.ts';
import type { KvEngine, KvWrite } from '../../../../src/metastore/engine/kv-engine.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { segmentId, topicId } from '../../../../src/segment/ids.ts';
import {
  CatalogWorld,
  idNumber,
  segmentOp,
  startOp,
  TOPIC_ID,
} from '../../../support/metastore-catalog.ts';

const partition = (number: number) => ({
  cluster: 1,
  topicId: topicId(TOPIC_ID),
  partition: number,
});

interface Put {
  readonly number: number;
  readonly epoch: number;
  readonly start: number;
  readonly length: number;
}

function putOf({ number, epoch, start, length }: Put): KvWrite {
  const startOffset = BigInt(start);
  return {
    kind: 'put',
    key: epochStartKey(partition(number), { epoch, startOffset }),
    value: epochStartValue(segmentId(idNumber(length + 1)), startOffset + BigInt(length)),
  };
}

const puts = fc.record({
  number: fc.integer({ min: 0, max: 3 }),
  epoch: fc.integer({ min: 0, max: 2 }),
  start: fc.integer({ min: 0, max: 40 }),
  length: fc.integer({ min: 1, max: 9 }),
});
const acts = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), put: puts }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), put: puts }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), put: puts }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), put: puts }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const), put: puts }) },
);

async function expectLikeEngine(indexes: EpochIndexes, engine: KvEngine): Promise<number> {
  let known = 0;
  for (const number of [0, 1, 2, 3]) {
    for (let at = 0; at < 3 * 55; at += 1) {
      const where = { epoch: at % 3, offset: BigInt(Math.floor(at / 3)) };
      const answer = indexes.find(engine, partition(number), where);
      if (answer.kind === 'unknown') continue;
      known += 1;
      expect(answer.id).toBe((await findStart(engine, partition(number), where))?.id);
    }
  }
  return known;
}

test('what is in memory always says what the engine says, whatever is written while it loads', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { maxLength: 60 }), async (list) => {
      const engine = await openMemoryEngine();
      const indexes = new EpochIndexes(1 << 20);
      for (const { kind, put } of list) {
        const { number, epoch, start } = put;
        if (kind === 'ask') {
          indexes.find(engine, partition(number), { epoch, offset: BigInt(start) });
        } else if (kind === 'settle') {
          await indexes.settled();
        } else {
          const { key, ...rest } = putOf(put) as Extract<KvWrite, { kind: 'put' }>;
          const write: KvWrite =
            kind === 'put'
              ? { key, ...rest }
              : kind === 'delete'
                ? { kind, key }
                : { kind: 'deleteRange', ...epochStarts(partition(number)) };
          await engine.batch([write]);
          indexes.applied([write]);
        }
      }
      await expectLikeEngine(indexes, engine);
      await indexes.settled();
      await expectLikeEngine(indexes, engine);
    }),
    { numRuns: 30 },
  );
});

test('under its limit of bytes it forgets what was asked for longest ago', async () => {
  const engine = await openMemoryEngine();
  const indexes = new EpochIndexes(6_000);
  for (let number = 0; number < 4; number += 1) {
    await engine.batch([putOf({ number, epoch: 0, start: 0, length: 5 })]);
  }
  const ask = (number: number) => indexes.find(engine, partition(number), { epoch: 0, offset: 1n });
  for (let number = 0; number < 4; number += 1) {
    ask(number);
    await indexes.settled();
    ask(0);
  }
  expect(indexes.usedBytes).toBeLessThanOrEqual(6_000);
  expect([3, 2, 1, 0].map((number) => ask(number).kind)).toEqual([
    'known',
    'known',
    'known',
    'known',
  ]);
  const many = Array.from({ length: 300 }, (_, start) =>
    putOf({ number: 0, epoch: 0, start, length: 1 }),
  );
  await engine.batch(many);
  indexes.applied(many);
  expect(indexes.usedBytes).toBeLessThanOrEqual(6_000);
  expect(ask(0).kind).toBe('unknown');
});

test('after the engine’s content was replaced nothing of the old one is answered', async () => {
  const engine = await openMemoryEngine();
  const indexes = new EpochIndexes(1 << 20);
  await engine.batch([putOf({ number: 0, epoch: 0, start: 0, length: 5 })]);
  const ask = () => indexes.find(engine, partition(0), { epoch: 0, offset: 1n }).kind;
  ask();
  await indexes.settled();
  expect(ask()).toBe('known');
  indexes.clear();
  expect([ask(), indexes.usedBytes]).toEqual(['unknown', 0]);
});

test('applied commands keep it, a deleted topic empties it', async () => {
  const world = await CatalogWorld.open();
  const client = await world.register();
  const token = await world.claim(client);
  const indexes = new EpochIndexes(1 << 20);
  const at = { epoch: 0, offset: 7n };
  const ask = () => indexes.find(world.engine, partition(0), at);
  ask();
  await indexes.settled();
  expect(ask()).toEqual({ kind: 'known', id: undefined });
  const { writes } = await world.applyOps(
    client,
    startOp(token, 1),
    segmentOp('finishCopy', token),
  );
  indexes.applied(writes);
  expect(ask()).toEqual({ kind: 'known', id: idNumber(1) });
  expect((await findSegment(world.engine, partition(0), at))?.segmentId).toBe(idNumber(1));
  const gone = { topicId: TOPIC_ID, evidence: 'test' };
  const deleted = await world.applyOps(client, { $case: 'deleteTopic', value: gone });
  indexes.applied(deleted.writes);
  expect(ask()).toEqual({ kind: 'unknown' });
});
