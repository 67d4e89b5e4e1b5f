// What the contract cannot ask: the files, and a disk that fails (B.8 rows 10, 11, 15, 22 and 28).
import { expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/platform/log.ts';
import type { LogIndex, ReplicatedLog } from '../../../../../src/metastore/log/replicated-log.ts';
import { singleMemberLogSettings } from '../../../../../src/metastore/log/single-member/settings.ts';
import { openSingleMemberLog } from '../../../../../src/metastore/log/single-member/single-member-log.ts';
import { recoverWal } from '../../../../../src/metastore/wal/recovery.ts';
import { committedEntries } from '../../../../support/committed-entries.ts';
import { DIRECTORY, IDENTITY, keepNothing, WalWorld } from '../../../../support/wal-world.ts';

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

class LogWorld extends WalWorld {
  async openLog(): Promise<ReplicatedLog> {
    const deps = { disk: this.disk.forProcess(), clock: this.clock, logger: silentLogger };
    const settings = { ...singleMemberLogSettings.parse({}), wal: this.settings, tailBytes: 500 };
    const log = await openSingleMemberLog(deps, settings, { directory: DIRECTORY, ...IDENTITY });
    await this.settle();
    return log;
  }
}

async function propose(log: ReplicatedLog, count: number): Promise<LogIndex[]> {
  const indexes: LogIndex[] = [];
  for (let at = 0; at < count; at += 1) indexes.push(await log.propose(encode(`c${at}`), NEVER));
  return indexes;
}

test('it writes what a Raft group of one would: term 1, its own vote, an empty first entry', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  expect(await propose(log, 2)).toEqual([2n, 3n]);
  await log.stop();
  const recovered = await recoverWal(world.disk, DIRECTORY, IDENTITY);
  expect(recovered?.state.hardState).toEqual({ term: 1n, vote: IDENTITY.nodeId, commit: 0n });
  expect(recovered?.state.lastIndex).toBe(3n);
  const again = await world.openLog();
  for await (const entries of committedEntries(again, 0n)) {
    expect(entries.map(({ index, term, command }) => [index, term, command.length])).toEqual([
      [1n, 1n, 0],
      [2n, 1n, 2],
      [3n, 1n, 2],
    ]);
    break;
  }
});

test('nothing is committed, readable or acknowledged before its fdatasync (B.8 row 11)', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  const [last] = await propose(log, 1);
  world.disk.fault = (operation) => {
    if (operation === 'write') world.disk.schedule = () => new Promise(() => undefined);
    return undefined;
  };
  let settled = false;
  void log.propose(encode('hangs'), NEVER).finally(() => (settled = true));
  await world.settle();
  expect([settled, log.status().committed, await log.readBarrier(NEVER)]).toEqual([
    false,
    last,
    last,
  ]);
});

test('a failed fdatasync leaves waiting proposals unknown, later ones untaken, and ends the readers (B.8 row 28)', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  const [last] = await propose(log, 1);
  const reading = (async () => {
    let seen = 0n;
    try {
      for await (const entries of committedEntries(log, 0n)) seen = entries.at(-1)!.index;
    } catch (error) {
      return [seen, error];
    }
    return [seen];
  })();
  world.disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  const waiting = log.propose(encode('waiting'), NEVER);
  await expect(waiting).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    cause: { code: 'DISK_FAILED' },
  });
  world.disk.fault = () => undefined;
  await expect(log.propose(encode('later'), NEVER)).rejects.toMatchObject({ code: 'DISK_FAILED' });
  expect(await reading).toEqual([last, expect.objectContaining({ code: 'DISK_FAILED' })]);
  expect(log.status().failure).toContain('EIO');
  await log.stop();
});

test('a failure while nobody proposes ends the readers too', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  const [last] = await propose(log, 1);
  const next = committedEntries(log, last!)[Symbol.asyncIterator]().next();
  world.disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  world.clock.tick();
  await expect(next).rejects.toMatchObject({ code: 'DISK_FAILED' });
});

test('compaction writes commit index and marker before a file goes (B.8 row 22)', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  const indexes = await propose(log, 100);
  const before = world.files();
  const steps: string[] = [];
  world.disk.fault = (operation) => {
    steps.push(operation);
    return undefined;
  };
  const index = indexes[79]!;
  await log.compact({
    index,
    makeDurable: () => {
      steps.push('snapshot');
      return Promise.resolve();
    },
  });
  expect(steps.slice(0, 4)).toEqual(['snapshot', 'write', 'sync', 'unlink']);
  expect(world.files().length).toBeLessThan(before.length);
  world.disk.fault = () => undefined;
  world.disk.crash(keepNothing);
  const recovered = await recoverWal(world.disk, DIRECTORY, IDENTITY);
  expect(recovered?.state.snapshot).toEqual({ index, term: 1n });
  expect(recovered?.state.hardState?.commit).toBe(indexes.at(-1));
  await expect(world.openLog()).resolves.toBeDefined();
});

test('a reader far behind gets entries from the files, one behind the snapshot gets COMPACTED', async () => {
  const world = new LogWorld();
  const log = await world.openLog();
  const indexes = await propose(log, 100);
  const seen: LogIndex[] = [];
  for await (const entries of committedEntries(log, 1n)) {
    seen.push(...entries.map(({ index }) => index));
    if (seen.at(-1) === indexes.at(-1)) break;
  }
  expect(seen).toEqual(indexes);
  await log.compact({ index: indexes[79]!, makeDurable: () => Promise.resolve() });
  await expect(committedEntries(log, 0n)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'COMPACTED',
  });
});

test('too many bytes on their way are OVERLOADED, and the log goes on without a gap', async () => {
  const world = new LogWorld({ queuedBytes: 2000 });
  const log = await world.openLog();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, at) => log.propose(encode(`c${at}`), NEVER)),
  );
  const taken = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const refused = outcomes.flatMap((each) =>
    each.status === 'rejected' ? [each.reason.code] : [],
  );
  expect(taken).toEqual(Array.from({ length: taken.length }, (_, at) => BigInt(at + 2)));
  expect(new Set(refused)).toEqual(new Set(['OVERLOADED']));
  expect(await log.propose(encode('next'), NEVER)).toBe(taken.at(-1)! + 1n);
});

test('a crash between the first file and the first entry leaves a log that opens', async () => {
  const world = new LogWorld();
  const { wal } = await world.open();
  world.disk.killProcess();
  expect(wal.lastIndex).toBe(0n);
  const log = await world.openLog();
  expect(await propose(log, 1)).toEqual([2n]);
});
