import { expect, test } from 'vitest';
import {
  CatalogWorld,
  claimOp,
  HOUR_MS,
  outcomes,
  segmentOp,
  startOp,
  type TestClient,
} from '../../../support/metastore-catalog.ts';

async function claimed() {
  const world = await CatalogWorld.open();
  const client = await world.register();
  return { world, client, token: await world.claim(client) };
}

const lease = { $case: 'acquireLease', value: { lease: 'share', ttlMs: 60_000n } } as const;

test('a client id is issued by the metastore and never given twice (rule 22)', async () => {
  const world = await CatalogWorld.open();
  const ids = [(await world.register()).id, (await world.register()).id];
  expect(ids).toEqual([1n, 2n]);
});

test('a number that was answered is answered again, and nothing happens twice', async () => {
  const { world, client, token } = await claimed();
  const ops = [startOp(token, 1)];
  const first = await world.apply({ clientId: client.id, seq: 2n, ops });
  await world.apply({ clientId: client.id, seq: 3n, ops: [segmentOp('finishCopy', token)] });
  const events = world.events.length;
  expect(await world.apply({ clientId: client.id, seq: 2n, ops })).toEqual(first);
  // Even what would be refused now.
  expect(await world.apply({ clientId: client.id, seq: 1n, ops: [claimOp()] })).toMatchObject({
    seq: 1n,
    results: [{ result: { $case: 'partitionClaimed' } }],
  });
  expect(world.events).toHaveLength(events);
});

test('a refusal is an answer too: it stays what it was', async () => {
  const { world, client, token } = await claimed();
  const finish = { clientId: client.id, seq: 2n, ops: [segmentOp('finishCopy', token)] };
  expect(outcomes(await world.apply(finish))).toEqual(['NOT_FOUND']);
  await world.apply({ clientId: client.id, seq: 3n, ops: [startOp(token, 1)] });
  expect(outcomes(await world.apply(finish))).toEqual(['NOT_FOUND']);
});

test('a gap, an unknown session and another incarnation are refused (rules 6, 22)', async () => {
  const { world, client } = await claimed();
  const ops = [lease];
  const refused = async (command: Parameters<CatalogWorld['apply']>[0]) =>
    outcomes(await world.apply(command));
  expect(await refused({ clientId: client.id, seq: 3n, ops })).toEqual(['SESSION_EXPIRED']);
  expect(await refused({ clientId: 99n, seq: 1n, ops })).toEqual(['SESSION_EXPIRED']);
  expect(await refused({ clientId: client.id, seq: 2n, ops, incarnation: 2 })).toEqual([
    'SESSION_EXPIRED',
  ]);
  expect(await refused({ clientId: client.id, seq: 2n, ops, clusterId: 'other' })).toEqual([
    'WRONG_CLUSTER',
  ]);
  expect(await refused({ clientId: client.id, seq: 2n, ops })).toEqual(['lease']);
});

test('answers that the client has are forgotten; a late repeat of them is refused (rule 22)', async () => {
  const { world, client } = await claimed();
  await world.apply({ clientId: client.id, seq: 2n, ops: [lease] });
  await world.apply({ clientId: client.id, seq: 3n, ops: [lease], answeredBelow: 3n });
  const again = async (seq: bigint) =>
    outcomes(await world.apply({ clientId: client.id, seq, ops: [lease] }));
  expect([await again(1n), await again(2n), await again(3n)]).toEqual([
    ['SESSION_EXPIRED'],
    ['SESSION_EXPIRED'],
    ['lease'],
  ]);
  // A client that claims to have answers of the future loses none of its own.
  await world.apply({ clientId: client.id, seq: 4n, ops: [lease], answeredBelow: 1_000n });
  expect(await again(4n)).toEqual(['lease']);
  expect(await again(5n)).toEqual(['lease']);
});

test('at most 1,024 answers are kept for a client that never says what it has', async () => {
  const { world, client } = await claimed();
  for (let seq = 2n; seq <= 1_030n; seq += 1n) {
    await world.apply({ clientId: client.id, seq, ops: [lease] });
  }
  const again = async (seq: bigint) =>
    outcomes(await world.apply({ clientId: client.id, seq, ops: [lease] }));
  expect(await again(6n)).toEqual(['SESSION_EXPIRED']);
  expect(await again(7n)).toEqual(['lease']);
});

test('a command is applied whole or not at all', async () => {
  const { world, client, token } = await claimed();
  const before = world.state;
  const result = await world.run(client, startOp(token, 1), segmentOp('finishDelete', token));
  expect(outcomes(result)).toEqual(['ABORTED', 'ILLEGAL_TRANSITION']);
  expect(world.state).toMatchObject({ segments: before.segments });
  expect(await world.try(client, startOp(token, 1), segmentOp('finishCopy', token))).toEqual([
    'segmentChanged',
    'done',
  ]);
});

test('of too many sessions the one is dropped that was silent longest', async () => {
  const world = await CatalogWorld.open();
  const [busy, silent] = [await world.register(1), await world.register(2)];
  world.nowMs += HOUR_MS;
  expect(await world.try(busy, lease)).toEqual(['lease']);
  world.state = { ...world.state, sessions: 10_000 };
  await world.register(3);
  const other = { $case: 'acquireLease', value: { lease: 'b', ttlMs: 1n } } as const;
  expect(await world.try(silent, other)).toEqual(['SESSION_EXPIRED']);
  expect(await world.try(busy, other)).toEqual(['lease']);
  expect(world.state.sessions).toBe(10_000);
});

test('what is no command of a client is refused by value, and the next one works', async () => {
  const { world, client } = await claimed();
  const bad: { ops: never[] | (typeof lease)[]; clientId?: bigint }[] = [
    { ops: [] },
    { ops: [lease], clientId: 0n },
    { ops: [], clientId: client.id },
  ];
  for (const command of bad) {
    expect(outcomes(await world.apply({ seq: 2n, ...command }))).toEqual(['INVALID_ARGUMENT']);
  }
  const registers = { $case: 'registerClient', value: { brokerId: 1, instance: 'x' } } as const;
  const inSession = await world.apply({ clientId: client.id, seq: 2n, ops: [registers, lease] });
  expect(outcomes(inSession)).toEqual(['INVALID_ARGUMENT', 'INVALID_ARGUMENT']);
  const noise = await world.applyBytes([Buffer.from('not a message'), Buffer.alloc(600_000, 1)]);
  expect([...noise.results.values()].flatMap(outcomes)).toEqual(['INVALID_ARGUMENT', 'OVERLOADED']);
  const living: TestClient = { id: client.id, seq: 1n };
  expect(await world.try(living, lease)).toEqual(['lease']);
});

test('the first entry of a term changes nothing but how far the catalog has come', async () => {
  const { world } = await claimed();
  const before = world.state;
  await world.applyBytes([new Uint8Array(0)]);
  expect(world.state).toEqual({ ...before, appliedIndex: before.appliedIndex + 1n });
});
