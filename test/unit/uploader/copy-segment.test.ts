import { afterEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { failingStore, type ScriptedFault } from '../../../src/store/decorators/failing.ts';
import { plainBatches } from '../../support/kafka-files.ts';
import { expectAllRemote } from '../../support/expect-all-remote.ts';
import type { LedgerMethod } from '../../support/memory-ledger.ts';
import { removeWorlds, uploadWorld } from '../../support/upload-world.ts';

afterEach(removeWorlds);

/** The sidecar dies here: no handler of ours knows this error. */
class Crash extends Error {}

function faulty(...faults: ScriptedFault[]) {
  return { wrapStore: (store: Parameters<typeof failingStore>[1]) => failingStore(faults, store) };
}

test('a closed segment is copied: opened, asked, checked, intended, put, proven, committed', async () => {
  const world = await uploadWorld();
  const outcome = await world.copy(await world.claim());
  const [record] = world.finished();
  const logBytes = world.segments[0]?.log.length;
  expect(outcome).toEqual({ kind: 'copied', segmentId: record?.segmentId, logBytes });
  expect(world.steps).toEqual([
    'asked',
    'checking',
    'intending',
    'sending',
    'proving',
    'committing',
    'asked',
  ]);
  expect(record).toMatchObject({
    startOffset: 1000n,
    nextOffset: 1300n,
    epochs: [{ epoch: 7, startOffset: 1000n }],
    brokerId: 1,
    store: 'main',
    uploadIds: [],
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
  });
  await expectAllRemote(world);
  expect(await world.metrics.print()).toContain(
    `logtier_remote_copy_bytes_total{topic="orders"} ${logBytes}`,
  );
});

test('a log of several chunks goes byte for byte', async () => {
  const segments = [plainBatches(120, { epoch: 7, valueBytes: 90_000, batchRecords: 1 })];
  const world = await uploadWorld({ segments, storeReportsCrc32: false });
  await world.copy(await world.claim());
  expect(world.segments[0]?.log.length).toBeGreaterThan(10 * 2 ** 20);
  await expectAllRemote(world);
});

test('rule 16: what is not below the last stable offset is not copied, and is asked for after opening', async () => {
  const world = await uploadWorld();
  world.lastStableOffset = 1299n;
  const claim = await world.claim();
  world.onAsked = () => world.deleteLocally(world.segments[0]!, 'unlinked');
  expect(await world.copy(claim)).toEqual({ kind: 'not-stable', lastStableOffset: 1299n });
  expect(world.catalog.records()).toEqual([]);
});

test('a broker that does not lead ends the copy before anything was promised', async () => {
  const world = await uploadWorld();
  world.lastStableOffset = undefined;
  await expect(world.copy(await world.claim())).rejects.toMatchObject({
    code: 'NOT_LEADER_OR_FOLLOWER',
  });
  expect(world.catalog.records()).toEqual([]);
});

const methods: LedgerMethod[] = ['startCopy', 'recordUpload', 'finishCopy'];
const moments = methods.flatMap((method) => [
  { method, when: 'before' as const },
  { method, when: 'after' as const },
]);

test.each(moments)(
  'rule 11: killed $when $method, the next life ends in one copy',
  async (moment) => {
    const world = await uploadWorld({
      segments: [plainBatches(200, { epoch: 7 }), plainBatches(50, { epoch: 7 })],
    });
    const claim = await world.claim();
    const dying = new AbortController();
    world.faults({
      [moment.when]: (method: LedgerMethod) => {
        if (method !== moment.method) return;
        dying.abort(new LogtierError('ABORTED', 'the sidecar dies'));
        throw new Crash();
      },
    });
    await expect(world.copy(claim, { signal: dying.signal })).rejects.toThrow(Crash);
    const before = world.catalog.records().map(({ segmentId }) => segmentId);
    await world.restart();
    // Also the upload that the store made and nobody could record: it is found by its key.
    await expectAllRemote(world);
    const after = world.finished().map(({ segmentId }) => segmentId);
    expect(after).toEqual(expect.arrayContaining(before));
    expect(world.catalog.eraseQueue).toEqual([]);
  },
);

test('rule 11: killed in mid-put again and again, the same intent and key end in one copy', async () => {
  const world = await uploadWorld({
    segments: [plainBatches(60, { epoch: 7, valueBytes: 60_000 })],
  });
  const keys = new Set<string>();
  for (let life = 0; life < 5; life += 1) {
    const dying = new AbortController();
    const claim = await world.claim();
    world.faults({
      after: (method) => {
        if (method === 'recordUpload') dying.abort(new LogtierError('ABORTED', 'killed'));
      },
    });
    await expect(world.copy(claim, { signal: dying.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    for (const { objectKey } of world.catalog.records()) keys.add(objectKey);
  }
  await world.restart();
  await expectAllRemote(world);
  expect([...keys]).toEqual(world.finished().map(({ objectKey }) => objectKey));
});

test('rule 4: the reply of FINISHED is lost and the local file is gone: it is committed', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const dying = new AbortController();
  world.faults({
    before: async (method) => {
      if (method === 'finishCopy') await world.deleteLocally(world.segments[0]!, 'unlinked');
    },
    after: (method) => {
      if (method !== 'finishCopy') return;
      dying.abort(new LogtierError('ABORTED', 'the sidecar stops'));
      throw new LogtierError('ABORTED', 'the outcome is unknown');
    },
  });
  await expect(world.copy(claim, { signal: dying.signal })).rejects.toMatchObject({
    code: 'ABORTED',
  });
  await world.restart();
  await expectAllRemote(world);
  expect(world.catalog.eraseQueue).toEqual([]);
});

test('rule 4: an abort that finds the copy FINISHED counts as done', async () => {
  const world = await uploadWorld(
    faulty({ op: 'put', fault: { kind: 'lose-answer', code: 'STORE_REFUSED' } }),
  );
  const claim = await world.claim();
  world.faults({
    before: (method) => {
      if (method !== 'abortCopy') return;
      const [record] = world.catalog.records();
      world.catalog.rows.get(`${world.id.topicId}:3`)?.segments.set(record!.segmentId, {
        ...record!,
        state: 'COPY_SEGMENT_FINISHED',
        uploadIds: [],
      });
    },
  });
  expect(await world.copy(claim)).toMatchObject({ kind: 'copied' });
  await expectAllRemote(world);
});

test('leadership lost after the put leaves the intent for the next owner', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  world.faults({
    after: (method) => {
      if (method === 'recordUpload') world.lastStableOffset = undefined;
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'NOT_LEADER_OR_FOLLOWER' });
  expect(world.catalog.records()).toMatchObject([{ state: 'COPY_SEGMENT_STARTED' }]);
  expect(world.catalog.eraseQueue).toEqual([]);
  expect(world.unaccounted()).toEqual([]);
});

test('a claim lost in mid-copy stops it and leaves the intent for the next owner', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  world.faults({
    before: async (method) => {
      if (method === 'finishCopy') await world.claimBy(2, 8);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'FENCED_LEADER_EPOCH' });
  expect(world.catalog.records()).toMatchObject([{ state: 'COPY_SEGMENT_STARTED', brokerId: 1 }]);
  expect(world.unaccounted()).toEqual([]);
});

test('rule 9: a bit flipped on the way up is never FINISHED, by the store’s checksum', async () => {
  const world = await uploadWorld(faulty({ op: 'put', fault: { kind: 'flip', atByte: 5000 } }));
  await expect(world.copy(await world.claim())).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  expect(world.finished()).toEqual([]);
  expect(world.catalog.eraseQueue).toHaveLength(1);
});

test('rule 9: a bit flipped on the way up is never FINISHED, by reading back', async () => {
  const world = await uploadWorld({
    ...faulty({ op: 'put', fault: { kind: 'flip', atByte: 5000 } }),
    storeReportsCrc32: false,
  });
  await expect(world.copy(await world.claim())).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  expect(world.finished()).toEqual([]);
});

test('rule 9: without a checksum of the store the object is read back before it is FINISHED', async () => {
  const world = await uploadWorld({
    ...faulty({ op: 'get', fault: { kind: 'fail', code: 'STORE_UNAVAILABLE' } }),
    storeReportsCrc32: false,
  });
  await expect(world.copy(await world.claim())).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
  expect(world.finished()).toEqual([]);
});

test('a store that is away aborts the intent, and the next try has its own key', async () => {
  const away = { op: 'put', fault: { kind: 'fail', code: 'STORE_UNAVAILABLE' } } as const;
  const world = await uploadWorld(faulty({ ...away, calls: { start: 0, end: 1 } }));
  const claim = await world.claim();
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  const [erased] = world.catalog.eraseQueue;
  await world.copy(claim);
  expect(world.finished()[0]?.objectKey).not.toBe(erased?.objectKey);
  await expectAllRemote(world);
});

test('rule 20: an intent of an earlier life whose bytes would differ now is aborted, not overwritten', async () => {
  const world = await uploadWorld({
    lineage: [
      { epoch: 3, startOffset: 0n },
      { epoch: 7, startOffset: 1000n },
    ],
  });
  const claim = await world.claim();
  const dying = new AbortController();
  world.faults({
    before: (method) => {
      if (method !== 'finishCopy') return;
      dying.abort(new LogtierError('ABORTED', 'killed'));
      throw new Crash();
    },
  });
  await expect(world.copy(claim, { signal: dying.signal })).rejects.toThrow(Crash);
  const [before] = world.catalog.records();
  await world.writeLineage([{ epoch: 7, startOffset: 1000n }]); // Kafka cut it at its log start
  world.faults({});
  const again = await world.claim();
  await expect(world.copy(again)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  await world.copy(again);
  expect(world.finished()[0]?.objectKey).not.toBe(before?.objectKey);
  expect(world.catalog.eraseQueue).toMatchObject([
    { objectKey: before?.objectKey, everFinished: false },
  ]);
  await expectAllRemote(world);
});

test('rule 24: an attempt older than the late window makes no store call', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  world.faults({
    after: (method) => {
      if (method === 'startCopy') world.clock.advance(3_600_000); // the host was suspended
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(world.objects.objects.size + world.objects.unfinished.size).toBe(0);
});

test('rule 24: an attempt that becomes too old in mid-put stops sending', async () => {
  const world = await uploadWorld({
    segments: [plainBatches(60, { epoch: 7, valueBytes: 60_000 })],
  });
  const claim = await world.claim();
  world.faults({
    after: (method) => {
      if (method === 'recordUpload') world.clock.advance(3_600_000);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  expect(world.objects.objects.size).toBe(0);
  expect(world.catalog.eraseQueue).toMatchObject([{ uploadIds: ['upload-1'] }]);
});

test('rule 24: the upload id is recorded before the first byte', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  world.faults({
    before: (method) => {
      if (method === 'recordUpload') throw new LogtierError('FENCED_LEADER_EPOCH', 'fenced');
    },
  });
  let sent = 0;
  const deps = world.copyDeps.bind(world);
  world.copyDeps = () => ({
    ...deps(),
    progress: { step: () => 0, sent: (bytes: number) => void (sent += bytes) } as never,
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'FENCED_LEADER_EPOCH' });
  expect(sent).toBe(0);
});

test('every descriptor is closed again, whatever happened', async () => {
  const world = await uploadWorld(
    faulty({ op: 'put', calls: { start: 0, end: 1 }, fault: { kind: 'flip', atByte: 1 } }),
  );
  let open = 0;
  const { disk } = world;
  world.disk = {
    ...disk,
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      open += 1;
      return {
        ...file,
        close: async () => {
          open -= 1;
          await file.close();
        },
      };
    },
  };
  const claim = await world.claim();
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  await world.copy(claim);
  expect(open).toBe(0);
});
