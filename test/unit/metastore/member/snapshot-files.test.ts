// Saved from a member on disk, restored as the beginning of another: RocksDB and real files.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PREAMBLE_BYTES } from '../../../../src/metastore/catalog/snapshot-format.ts';
import { importCatalog } from '../../../../src/metastore/catalog/snapshot-import.ts';
import { openRocksdbEngine } from '../../../../src/metastore/engine/rocksdb-engine.ts';
import { openEngineHome } from '../../../../src/metastore/member/engine-home.ts';
import { restoreSnapshot } from '../../../../src/metastore/member/restore-snapshot.ts';
import { saveSnapshotFile } from '../../../../src/metastore/member/save-snapshot.ts';
import { memberSettings } from '../../../../src/metastore/member/settings.ts';
import type { Metastore } from '../../../../src/metastore/member/open-metastore.ts';
import { openAlone } from '../../../support/open-alone.ts';
import { catalogService } from '../../../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { nodeDisk } from '../../../../src/platform/disk.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { systemRandom } from '../../../../src/platform/random.ts';
import { inPieces, rowsOf } from '../../../support/catalog-content.ts';
import {
  claimRequest,
  codeOf,
  Door,
  intent,
  NEVER,
  segmentName,
  TestMetastoreClient,
} from '../../../support/metastore-world.ts';

const deps = {
  disk: nodeDisk,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  openEngine: openRocksdbEngine,
};
const settings = memberSettings.parse({ log: { wal: { fileBytes: '1MiB' } } });

let scratch: string;
const opened: Metastore[] = [];
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'snapshot-files-'));
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
  await rm(scratch, { recursive: true, force: true });
});

async function open(name: string): Promise<Metastore> {
  const one = await openAlone(deps, settings, join(scratch, name));
  opened.push(one);
  await one.member.barrier(NEVER);
  return one;
}

function clientOf({ member }: Metastore, instance: string): TestMetastoreClient {
  const door = new Door(catalogService(member));
  return new TestMetastoreClient(door, systemClock, { brokerId: 1, instance });
}

async function savedMember(): Promise<{ file: string; one: Metastore }> {
  const one = await open('old');
  const client = clientOf(one, 'one');
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  for (let number = 0; number < 30; number += 1) {
    await client.ledger.startCopy(claim, intent(number), NEVER);
    if (number < 20) await client.ledger.finishCopy(claim, segmentName(number), NEVER);
  }
  await one.member.barrier(NEVER);
  const { state } = one.member;
  const saved = await saveSnapshotFile({ disk: nodeDisk, member: one.member }, scratch, 's', NEVER);
  expect(saved).toMatchObject({ index: state.appliedIndex, term: state.appliedTerm });
  expect((await readFile(join(scratch, 's'))).length).toBe(saved.bytes);
  await client.channel.stop();
  return { file: join(scratch, 's'), one };
}

test('a saved catalog begins a new group: all records, a higher incarnation, another id, orphans locked', async () => {
  const { file, one } = await savedMember();
  const directory = join(scratch, 'new');
  const restored = await restoreSnapshot(deps, { file, directory }, NEVER);
  const before = one.member.state;
  expect(restored).toMatchObject({
    incarnation: 2,
    from: { appliedIndex: before.appliedIndex, metastoreId: before.metastoreId, incarnation: 1 },
  });
  expect(restored.metastoreId).not.toBe(before.metastoreId);
  const next = await open('new');
  expect(next.member.state).toMatchObject({
    incarnation: 2,
    metastoreId: restored.metastoreId,
    orphanLock: true,
    segments: 30n,
    sessions: 0,
    clockMs: before.clockMs,
  });
  const client = clientOf(next, 'two');
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  expect(claim.token.incarnation).toBe(2);
  expect(await codeOf(client.ledger.finishCopy(claim, segmentName(25), NEVER))).toBe('none');
  await client.channel.stop();
});

test('a restored member and one of the old group never share a log or a catalog', async () => {
  const { file, one } = await savedMember();
  await one.stop();
  for (const part of ['db', 'log']) {
    const directory = join(scratch, `mixed-${part}`);
    await restoreSnapshot(deps, { file, directory }, NEVER);
    await rm(join(directory, part), { recursive: true, force: true });
    await cp(join(scratch, 'old', part), join(directory, part), { recursive: true });
    expect(await codeOf(openAlone(deps, settings, directory))).toBe('WRONG_CLUSTER');
  }
});

test('a directory that holds anything is refused, also what an interrupted restore left', async () => {
  const { file } = await savedMember();
  const taken = join(scratch, 'old');
  await expect(restoreSnapshot(deps, { file, directory: taken }, NEVER)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const directory = join(scratch, 'cut');
  const bytes = await readFile(file);
  await writeFile(file, bytes.subarray(0, bytes.length - 10));
  expect(await codeOf(restoreSnapshot(deps, { file, directory }, NEVER))).toBe('SNAPSHOT_DAMAGED');
  await writeFile(file, bytes);
  expect(await codeOf(restoreSnapshot(deps, { file, directory }, NEVER))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(openAlone(deps, settings, directory))).toBe('CORRUPT_STATE');
});

test('a damaged file is refused and says where, a newer one says what to run, a missing one its path', async () => {
  const { file } = await savedMember();
  const bytes = await readFile(file);
  const restore = async (content: Uint8Array, name: string): Promise<unknown> => {
    await writeFile(file, content);
    return await restoreSnapshot(deps, { file, directory: join(scratch, name) }, NEVER);
  };
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 100] = (flipped[bytes.length - 100] ?? 0) ^ 4;
  await expect(restore(flipped, 'flipped')).rejects.toMatchObject({
    code: 'SNAPSHOT_DAMAGED',
    message: 'block 1 of the catalog snapshot does not match its checksum',
  });
  const newer = Buffer.from(bytes);
  newer.writeUInt16BE(2, PREAMBLE_BYTES - 2);
  await expect(restore(newer, 'newer')).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: 'the catalog snapshot has version 2, this Logtier knows 1',
  });
  const paths = { file: join(scratch, 'nowhere'), directory: join(scratch, 'x') };
  await expect(restoreSnapshot(deps, paths, NEVER)).rejects.toMatchObject({
    code: 'DISK_FAILED',
    message: expect.stringContaining('nowhere'),
  });
});

test('saving replaces no file and leaves nothing behind when it is cut off', async () => {
  const { one } = await savedMember();
  const save = (name: string, signal = NEVER): Promise<unknown> =>
    saveSnapshotFile({ disk: nodeDisk, member: one.member }, scratch, name, signal);
  expect(await codeOf(save('s'))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(save('cut', AbortSignal.abort()))).toBe('ABORTED');
  expect((await readdir(scratch)).toSorted()).toEqual(['old', 's']);
});

test('on RocksDB too readers of the old content end with a retriable error, and its files go', async () => {
  const { file } = await savedMember();
  const directory = join(scratch, 'home');
  await nodeDisk.makeDirectory(directory);
  const home = await openEngineHome(deps, directory);
  try {
    const rows = Array.from({ length: 3_000 }, (_, at) => Buffer.from(`k${10_000 + at}`));
    await home.engine.batch(rows.map((key) => ({ kind: 'put', key, value: key })));
    const all = { from: Buffer.from('k'), to: Buffer.from('l') };
    const moment = await home.engine.snapshot();
    const listing = moment.range(all)[Symbol.asyncIterator]();
    expect((await listing.next()).value).toMatchObject({ key: rows[0] });
    const reads = Promise.all(rows.slice(0, 500).map((key) => codeOf(moment.get(key))));
    const bytes = await readFile(file);
    await home.replace(70n, async (engine) => {
      await importCatalog(engine, inPieces(bytes, 9_000), () => undefined, NEVER);
    });
    const codes = new Set(await reads);
    expect(
      [...codes].filter((code) => code !== 'none' && code !== 'METASTORE_UNAVAILABLE'),
    ).toEqual([]);
    expect(await codeOf(drained(listing))).toBe('METASTORE_UNAVAILABLE');
    await moment.close();
    expect((await readdir(directory)).toSorted()).toEqual(['CURRENT', 'db.70']);
    const now = await rowsOf(home.engine);
    expect(now.length).toBeGreaterThan(30);
    await home.close();
    const again = await openEngineHome(deps, directory);
    expect(await rowsOf(again.engine)).toEqual(now);
    await again.close();
  } finally {
    await home.close();
  }
});

async function drained(entries: AsyncIterator<unknown>): Promise<void> {
  while ((await entries.next()).done !== true);
}
