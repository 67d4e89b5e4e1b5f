// Several Kafka clusters in one catalog: what one does is nothing to another.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type CatalogEvent,
  Command,
  DeleteReason,
  type FenceToken,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { clusterNumberOf } from '../../../../src/metastore/catalog/clusters.ts';
import { clusterKey } from '../../../../src/metastore/catalog/keys.ts';
import {
  type AnyOp,
  CatalogWorld,
  claimOp,
  idNumber,
  segmentOp,
  START_MS,
  startOp,
} from '../../../support/metastore-catalog.ts';

const CLUSTERS = ['cluster-A', 'cluster-B', 'cluster-C'] as const;

interface Act {
  readonly cluster: number;
  readonly kind: number;
  readonly number: number;
}

const acts = fc.array(
  fc.record({
    cluster: fc.integer({ min: 0, max: CLUSTERS.length - 1 }),
    kind: fc.integer({ min: 0, max: 9 }),
    number: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 10, maxLength: 60 },
);

/** Tables whose keys begin with the number of a cluster. */
const OF_CLUSTERS = [
  0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x20, 0x21, 0x22, 0x23, 0x25,
  0x28, 0x29, 0x2a, 0x31, 0x32,
];

class Cluster {
  readonly id: string;
  clientId = 0n;
  private seq = 0n;
  token: FenceToken = { incarnation: 1, index: 0n };

  constructor(id: string) {
    this.id = id;
  }

  /** All clusters use the same topic id and name, partition, broker, segment ids and numbers of intents. */
  opOf({ kind, number }: Act): AnyOp {
    const { token } = this;
    if (this.clientId === 0n) {
      return { $case: 'registerClient', value: { brokerId: 1, instance: 'same' } };
    }
    const value = claimOp();
    const doomed = { ...partOf(token), segmentId: idNumber(number), contradiction: undefined };
    const startOffset = BigInt(number) * 50n;
    const epochs = [{ epoch: 0, startOffset }];
    const facts = { segmentId: idNumber(number), startOffset, nextOffset: startOffset + 100n };
    const ops: AnyOp[] = [
      value,
      startOp(token, Number(this.seq) + 1, { ...facts, epochs, txnIndexEmpty: number > 2 }),
      startOp(token, Number(this.seq) + 1, { ...facts, epochs }),
      segmentOp('finishCopy', token, idNumber(number)),
      segmentOp('finishCopy', token, idNumber(number)),
      segmentOp('abortCopy', token, idNumber(number)),
      { $case: 'startDelete', value: { ...doomed, reason: DeleteReason.OPERATOR } },
      segmentOp('finishDelete', token, idNumber(number)),
      { $case: 'acquireLease', value: { lease: 'share', ttlMs: 60_000n } },
      number > 3
        ? { $case: 'deleteTopic', value: { topicId: doomed.partition.topicId, evidence: 'test' } }
        : value,
    ];
    return ops[kind] ?? value;
  }

  encode(op: AnyOp): Uint8Array {
    const isFirst = this.clientId === 0n;
    if (!isFirst) this.seq += 1n;
    return Command.encode({
      incarnation: isFirst ? 0 : 1,
      clientId: this.clientId,
      seq: this.seq,
      nowMs: START_MS,
      clusterId: this.id,
      ops: [{ op }],
      answeredBelow: 0n,
    }).finish();
  }

  heard(results: Awaited<ReturnType<CatalogWorld['applyBytes']>>['results']): void {
    for (const { results: all } of results.values()) {
      const answer = all[0]?.result;
      if (answer?.$case === 'clientRegistered') this.clientId = answer.value.clientId;
      if (answer?.$case === 'partitionClaimed') this.token = answer.value.fenceToken!;
    }
  }
}

function partOf(fenceToken: FenceToken) {
  const { partition } = (claimOp() as Extract<AnyOp, { $case: 'claimPartition' }>).value;
  return { partition: partition!, fenceToken };
}

/** An entry of the same time that touches no cluster. */
const TICK = Command.encode({
  incarnation: 1,
  clientId: 0n,
  seq: 0n,
  nowMs: START_MS,
  clusterId: '',
  ops: [{ op: { $case: 'tick', value: {} } }],
  answeredBelow: 0n,
}).finish();

async function rowsOf(world: CatalogWorld, clusterId: string): Promise<string[]> {
  const number = await world.engine.get(clusterKey(clusterId));
  const rows: string[] = [];
  if (number === undefined) return rows;
  for (const table of OF_CLUSTERS) {
    const from = Buffer.concat([Buffer.from([table]), number]);
    const to = Buffer.concat([from, Buffer.alloc(64, 0xff)]);
    for await (const { key, value } of world.engine.range({ from, to })) {
      rows.push(`${table} ${Buffer.from(key.subarray(5)).toString('hex')} ${hex(value)}`);
    }
  }
  return rows;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function eventsOf(world: CatalogWorld, clusterId: string): CatalogEvent[] {
  return world.events.filter((event) => event.clusterId === clusterId);
}

test('what a cluster holds and tells is what it would alone, whatever others do under the same names', async () => {
  await fc.assert(
    fc.asyncProperty(acts, async (list) => {
      const together = await CatalogWorld.open();
      const clusters = CLUSTERS.map((id) => new Cluster(id));
      const entries: { readonly cluster: number; readonly bytes: Uint8Array }[] = [];
      for (const act of list) {
        const cluster = clusters[act.cluster]!;
        const bytes = cluster.encode(cluster.opOf(act));
        entries.push({ cluster: act.cluster, bytes });
        cluster.heard((await together.applyBytes([bytes])).results);
      }
      for (const [at, id] of CLUSTERS.entries()) {
        const alone = await CatalogWorld.open();
        for (const { cluster, bytes } of entries) {
          await alone.applyBytes([cluster === at ? bytes : TICK]);
        }
        expect(await rowsOf(together, id)).toEqual(await rowsOf(alone, id));
        expect(eventsOf(together, id)).toEqual(eventsOf(alone, id));
      }
    }),
    { numRuns: 25 },
  );
});

test('clients, claims and clusters have numbers that no other has', async () => {
  const world = await CatalogWorld.open();
  const numbers = { clients: new Set<bigint>(), claims: new Set<bigint>(), all: new Set<number>() };
  for (const id of CLUSTERS) {
    const cluster = new Cluster(id);
    for (let step = 0; step < 2; step += 1) {
      const op = cluster.opOf({ cluster: 0, kind: 0, number: 1 });
      cluster.heard((await world.applyBytes([cluster.encode(op)])).results);
    }
    numbers.clients.add(cluster.clientId);
    numbers.claims.add(cluster.token.index);
    numbers.all.add(clusterNumberOf((await world.engine.get(clusterKey(id)))!));
  }
  expect(Object.values(numbers).map(({ size }) => size)).toEqual([3, 3, 3]);
  expect(numbers.clients.has(0n) || numbers.claims.has(0n)).toBe(false);
});

test('a client of one cluster changes nothing in another', async () => {
  const world = await CatalogWorld.open();
  const client = await world.register();
  await world.applyBytes([
    new Cluster('cluster-B').encode({
      $case: 'registerClient',
      value: { brokerId: 1, instance: 'other' },
    }),
  ]);
  const result = await world.apply({
    clientId: client.id,
    seq: 1n,
    clusterId: 'cluster-B',
    ops: [claimOp()],
  });
  const answer = result.results[0]?.result;
  expect(answer?.$case === 'refused' && answer.value.code).toBe('WRONG_CLUSTER');
  expect(await rowsOf(world, 'cluster-B')).toHaveLength(1);
});
