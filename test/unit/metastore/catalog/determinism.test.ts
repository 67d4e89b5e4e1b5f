// Random commands of several clients, with old and new tokens: what must hold whatever they are.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type CommandResult,
  EraseEntry,
  type FenceToken,
  type SegmentRecord,
  SegmentState,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { applyEntries } from '../../../../src/metastore/catalog/apply.ts';
import { EngineBase } from '../../../../src/metastore/catalog/engine-base.ts';
import { objectsDue, queueKeyOf } from '../../../../src/metastore/catalog/keys.ts';
import { decodeRow } from '../../../../src/metastore/catalog/row.ts';
import { readState } from '../../../../src/metastore/catalog/state.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { compareTokens } from '../../../../src/segment/ids.ts';
import {
  type AnyOp,
  CatalogWorld,
  claimOp,
  contentHash,
  idNumber,
  METASTORE,
  outcomes,
  PARTITION,
  segmentOp,
  startOp,
  type TestClient,
} from '../../../support/metastore-catalog.ts';

interface Act {
  readonly client: number;
  readonly kind: number;
  readonly segment: number;
  readonly token: number;
  readonly repeats: boolean;
}

const acts = fc.array(
  fc.record<Act>({
    client: fc.nat(2),
    kind: fc.nat(8),
    segment: fc.nat(5),
    token: fc.nat(3),
    repeats: fc.boolean(),
  }),
  { minLength: 10, maxLength: 60 },
);

/** Segments whose state a command may have changed, as the feed tells. */
function changedSegments(world: CatalogWorld, since: number): SegmentRecord[] {
  return world.events
    .slice(since)
    .flatMap(({ event }) => (event?.$case === 'segment' ? [event.value] : []));
}

async function queueIds(world: CatalogWorld): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { key } of world.engine.range(objectsDue(1, 2n ** 63n))) {
    const row = await world.engine.get(queueKeyOf(key));
    ids.add(decodeRow(EraseEntry, row!).segmentId);
  }
  return ids;
}

class RandomRun {
  readonly world: CatalogWorld;
  private readonly clients: TestClient[];
  private readonly tokens: FenceToken[] = [{ incarnation: 1, index: 0n }];
  private intents = 0;
  private epoch = 0;

  constructor(world: CatalogWorld, clients: TestClient[]) {
    this.world = world;
    this.clients = clients;
  }

  static async open(): Promise<RandomRun> {
    const world = await CatalogWorld.open();
    const clients = [await world.register(1), await world.register(2), await world.register(3)];
    return new RandomRun(world, clients);
  }

  async act(act: Act): Promise<void> {
    const client = this.clients[act.client]!;
    const newest = this.tokens.at(-1)!;
    const token = this.tokens.at(-1 - act.token) ?? newest;
    const op = this.opOf(act, token);
    const seen = this.world.events.length;
    const queuedBefore = await queueIds(this.world);
    const result = await this.world.run(client, op);
    if (act.repeats) await this.repeat(client, op, result);
    this.checkFence(op, token, newest, result);
    await this.checkQueue(op, queuedBefore, seen);
  }

  private opOf(act: Act, token: FenceToken): AnyOp {
    const id = idNumber(act.segment);
    this.intents += 1;
    const segmentOps = ['finishCopy', 'adoptIntent', 'finishDelete', 'abortCopy'] as const;
    switch (act.kind) {
      case 0:
        this.epoch += act.segment % 2;
        return claimOp({ brokerId: act.client + 1, leaderEpoch: this.epoch });
      case 1:
      case 2:
        return startOp(token, this.intents, { segmentId: id });
      case 3:
        return { $case: 'objectErased', value: { partition: PARTITION, segmentId: id } };
      case 4:
        return {
          $case: 'recordErasePass',
          value: { partition: PARTITION, segmentId: id, waitMs: 0n },
        };
      default:
        return segmentOp(segmentOps[act.kind % 4]!, token, id);
    }
  }

  private async repeat(client: TestClient, op: AnyOp, result: CommandResult): Promise<void> {
    const hash = await contentHashWithoutState(this.world);
    const again = await this.world.apply({ clientId: client.id, seq: client.seq, ops: [op] });
    expect(again).toEqual(result);
    expect(await contentHashWithoutState(this.world)).toBe(hash);
  }

  private checkFence(
    op: AnyOp,
    token: FenceToken,
    newest: FenceToken,
    result: CommandResult,
  ): void {
    const [answer] = result.results;
    if (answer?.result?.$case === 'partitionClaimed') {
      const claimed = answer.result.value.fenceToken!;
      expect(compareTokens(claimed, newest)).toBeGreaterThan(0);
      this.tokens.push(claimed);
    }
    const isFenced = op.$case === 'startCopy' || 'fenceToken' in op.value;
    if (isFenced && compareTokens(token, newest) < 0) {
      expect(['FENCED_LEADER_EPOCH', 'FENCED_INSTANCE']).toContain(outcomes(result)[0]);
    }
  }

  /** Entries leave the queue by ObjectErased only, and every record that ends had entered it. */
  private async checkQueue(op: AnyOp, before: Set<string>, seen: number): Promise<void> {
    const after = await queueIds(this.world);
    if (op.$case !== 'objectErased') {
      for (const id of before) expect(after).toContain(id);
    }
    for (const record of changedSegments(this.world, seen)) {
      if (record.state === SegmentState.DELETE_SEGMENT_STARTED) {
        expect(after).toContain(record.segmentId);
      }
    }
  }
}

async function contentHashWithoutState(world: CatalogWorld): Promise<string> {
  const { engine } = world;
  return await contentHash({
    ...engine,
    range: (range) => engine.range({ ...range, from: Uint8Array.of(2) }),
  });
}

test('no command of an older token ever takes effect, repeats change nothing, the queue forgets nothing', async () => {
  await fc.assert(
    fc.asyncProperty(acts, async (list) => {
      const run = await RandomRun.open();
      for (const act of list) await run.act(act);
    }),
    { numRuns: 25 },
  );
});

test('the same entries leave the same content, however they are cut into batches', async () => {
  await fc.assert(
    fc.asyncProperty(acts, fc.array(fc.integer({ min: 1, max: 20 })), async (list, cuts) => {
      const run = await RandomRun.open();
      for (const act of list) await run.act(act);
      const { entries, engine, state } = run.world;
      const replica = await openMemoryEngine();
      let replayed = await readState(replica, METASTORE);
      for (let start = 0, turn = 0; start < entries.length; turn += 1) {
        const size = cuts[turn % Math.max(cuts.length, 1)] ?? entries.length;
        const applied = await applyEntries(
          new EngineBase(replica),
          replayed,
          entries.slice(start, start + size),
        );
        await replica.batch(applied.writes);
        replayed = applied.state;
        start += size;
      }
      expect(replayed).toEqual(state);
      expect(await contentHash(replica)).toBe(await contentHash(engine));
    }),
    { numRuns: 25 },
  );
});

test('bytes of any kind are refused by value', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 })), async (list) => {
      const world = await CatalogWorld.open();
      const client = await world.register();
      await world.applyBytes(list);
      expect(await world.try(client, claimOp())).toEqual(['partitionClaimed']);
    }),
    { numRuns: 30 },
  );
});
