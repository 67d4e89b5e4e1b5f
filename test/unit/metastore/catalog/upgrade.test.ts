import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CatalogState,
  DeleteReason,
  type FenceToken,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { epochFacts, findSegment } from '../../../../src/metastore/catalog/find-segment.ts';
import { allIndexRows } from '../../../../src/metastore/catalog/index-keys.ts';
import { stateKey } from '../../../../src/metastore/catalog/keys.ts';
import { encodeRow } from '../../../../src/metastore/catalog/row.ts';
import { STATE_VERSION } from '../../../../src/metastore/catalog/state.ts';
import { openState } from '../../../../src/metastore/catalog/upgrade.ts';
import type { KvEngine, KvWrite } from '../../../../src/metastore/engine/kv-engine.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { topicId } from '../../../../src/segment/ids.ts';
import {
  CatalogWorld,
  claimOp,
  contentHash,
  idNumber,
  METASTORE,
  segmentOp,
  startOp,
  type TestClient,
  TOPIC_ID,
} from '../../../support/metastore-catalog.ts';
import { codeOf } from '../../../support/metastore-world.ts';

const ADDRESS = { cluster: 1, topicId: topicId(TOPIC_ID), partition: 0 };

async function claimed(): Promise<[CatalogWorld, TestClient, FenceToken]> {
  const world = await CatalogWorld.open();
  const client = await world.register();
  return [world, client, await world.claim(client)];
}

/** What the code of state version 1 would have left. */
async function makeOld(world: CatalogWorld): Promise<void> {
  const state: CatalogState = { ...world.state, stateVersion: 1 };
  await world.engine.batch([
    ...allIndexRows().map((range): KvWrite => ({ kind: 'deleteRange', ...range })),
    { kind: 'put', key: stateKey(), value: encodeRow(CatalogState, state) },
  ]);
}

async function copyOf(engine: KvEngine): Promise<KvEngine> {
  const copy = await openMemoryEngine();
  const everything = { from: new Uint8Array(0), to: Uint8Array.of(0xff) };
  for await (const { key, value } of engine.range(everything)) {
    await copy.batch([{ kind: 'put', key, value }]);
  }
  return copy;
}

class Crash extends Error {}

/** Loses its power after `batches` more of them. */
function mortal(engine: KvEngine, batches: number): KvEngine {
  let left = batches;
  return {
    get: (key) => engine.get(key),
    getMany: (keys) => engine.getMany(keys),
    range: (range) => engine.range(range),
    snapshot: () => engine.snapshot(),
    flush: () => engine.flush(),
    close: () => engine.close(),
    batch: async (writes) => {
      left -= 1;
      if (left < 0) throw new Crash();
      await engine.batch(writes);
    },
  };
}

const copies = fc.array(
  fc.record({
    start: fc.integer({ min: 0, max: 12 }),
    tens: fc.integer({ min: 1, max: 4 }),
    txnIndexEmpty: fc.boolean(),
    isFinished: fc.boolean(),
  }),
  { maxLength: 12 },
);

test('a catalog of state version 1 gets the look-ups that it would have had all along', async () => {
  await fc.assert(
    fc.asyncProperty(copies, async (list) => {
      const [world, client, token] = await claimed();
      for (const [at, { start, tens, txnIndexEmpty, isFinished }] of list.entries()) {
        world.nowMs += 1n;
        const startOffset = BigInt(start) * 10n;
        const nextOffset = startOffset + BigInt(tens) * 10n;
        const epochs = [{ epoch: 0, startOffset }];
        const segmentId = idNumber(at + 1);
        const facts = { segmentId, startOffset, nextOffset, epochs, txnIndexEmpty };
        await world.run(client, startOp(token, at + 1, facts));
        if (isFinished) await world.run(client, segmentOp('finishCopy', token, segmentId));
      }
      const before = await contentHash(world.engine);
      await makeOld(world);
      expect(await openState(world.engine, METASTORE)).toEqual(world.state);
      expect(await contentHash(world.engine)).toBe(before);
    }),
    { numRuns: 30 },
  );
});

test('what is being deleted counts as copied by its entry in the queue, unless an operator erases it', async () => {
  const [world, client, token] = await claimed();
  const ends: [number, DeleteReason][] = [
    [1, DeleteReason.RETENTION_TIME],
    [2, DeleteReason.OPERATOR],
  ];
  for (const [number, reason] of ends) {
    const startOffset = BigInt(number - 1) * 100n;
    const epochs = [{ epoch: 0, startOffset }];
    const facts = { segmentId: idNumber(number), startOffset, nextOffset: startOffset + 100n };
    await world.run(client, startOp(token, number, { ...facts, epochs }));
    await world.run(client, segmentOp('finishCopy', token, idNumber(number)));
    const by = 2;
    const partition = { topicId: TOPIC_ID, partition: 0 };
    const value = { partition, fenceToken: token, remoteStart: 100n, by: by as 2 };
    await world.run(client, { $case: 'moveRemoteStart', value });
    const doomed = { partition, fenceToken: token, segmentId: idNumber(number) };
    const outcome = await world.try(client, {
      $case: 'startDelete',
      value: { ...doomed, reason, contradiction: undefined },
    });
    expect(outcome).toEqual(['done']);
  }
  await makeOld(world);
  await openState(world.engine, METASTORE);
  expect(await epochFacts(world.engine, ADDRESS, 0)).toEqual({
    highestOffset: 99n,
    segments: 2n,
    logBytes: 2000n,
  });
  expect(await findSegment(world.engine, ADDRESS, { epoch: 0, offset: 5n })).toBeUndefined();
});

test('an upgrade that is cut off anywhere goes on at the next start and ends in the same content', async () => {
  const [world, client, token] = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  for (const partition of [1, 2, 3]) {
    const ref = { topicId: TOPIC_ID, partition };
    const own = await world.claim(client, { partition: ref });
    await world.run(client, startOp(own, 1, { partition, segmentId: idNumber(partition) }));
  }
  const wanted = await contentHash(world.engine);
  await makeOld(world);
  const whole = 6;
  for (let batches = 0; batches < whole; batches += 1) {
    const engine = await copyOf(world.engine);
    await expect(openState(mortal(engine, batches), METASTORE)).rejects.toThrow(Crash);
    // What was done is not done again; the first batch marks nothing as done.
    const left = batches > 1 ? whole - batches : whole;
    const other = await copyOf(engine);
    await expect(openState(mortal(other, left - 1), METASTORE)).rejects.toThrow(Crash);
    expect(await openState(mortal(engine, left), METASTORE)).toEqual(world.state);
    expect(await contentHash(engine)).toBe(wanted);
  }
});

test('an old version that ran in between leaves no trust in a half-done upgrade', async () => {
  const [world, client, token] = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  await makeOld(world);
  await openState(mortal(world.engine, 2), METASTORE).catch(() => undefined);
  // It does not know the mark, and writes the state without it.
  const state: CatalogState = { ...world.state, stateVersion: 1, upgradedTo: Buffer.alloc(0) };
  const value = encodeRow(CatalogState, state);
  await world.engine.batch([{ kind: 'put', key: stateKey(), value }]);
  await openState(world.engine, METASTORE);
  const found = await findSegment(world.engine, ADDRESS, { epoch: 0, offset: 5n });
  expect(found?.segmentId).toBe(idNumber(1));
});

test('the catalog of a newer Logtier is refused', async () => {
  const [world] = await claimed();
  const state: CatalogState = { ...world.state, stateVersion: STATE_VERSION + 1 };
  const value = encodeRow(CatalogState, state);
  await world.engine.batch([{ kind: 'put', key: stateKey(), value }]);
  expect(await codeOf(openState(world.engine, METASTORE))).toBe('CORRUPT_STATE');
});

test('an entry has the same hash as under state version 1, which kept no look-ups', async () => {
  const world = await CatalogWorld.open();
  const client = await world.register(1, 'process');
  const token = await world.claim(client);
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  await world.run(client, claimOp({ partition: { topicId: TOPIC_ID, partition: 1 } }));
  // Printed by the code of state version 1 for these very entries.
  expect(world.state.hash).toBe(2463080553);
});
