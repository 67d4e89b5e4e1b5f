import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import type { QueuedErase } from '../../../src/operator/remote-catalog.ts';
import { watchTasks } from '../../../src/operator/tasks.ts';
import { buildObjectKey } from '../../../src/segment/object-key.ts';
import type { CopyTask } from '../../../src/uploader/uploader-status.ts';
import {
  FakeCatalog,
  FakeUploader,
  ORDERS,
  segmentNumbered,
  token,
} from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const START_MS = 1_000_000;

const copy: CopyTask = {
  topic: 'orders',
  partition: 0,
  startOffset: 10n,
  step: 'opening',
  sentBytes: 2_000,
  totalBytes: 10_000,
  attempt: 1,
  sinceMs: START_MS - 2_000,
};

const id = { topicId: ORDERS, partition: 1 };
const keyAt = (startOffset: bigint) =>
  buildObjectKey({
    clusterId: 'c',
    topic: 'old',
    id,
    startOffset,
    token,
    segmentId: segmentNumbered(Number(startOffset)),
  });
const queued = { id, store: 'main', objectBytes: 77, queuedMs: 900_000 };
const FAILED: QueuedErase = { ...queued, objectKey: keyAt(5n), passes: 1, dueInMs: 0 };
const LATE: QueuedErase = { ...queued, objectKey: keyAt(9n), passes: 1, dueInMs: 60_000 };
const WAIT = { metastoreWaitMs: 5_000 };

async function looks(count: number, change: (uploader: FakeUploader, look: number) => void) {
  const uploader = new FakeUploader();
  uploader.copies = [copy];
  uploader.queued = 3;
  const clock = new SkippingClock(START_MS);
  uploader.eraser = {
    inHand: new Set([FAILED.objectKey]),
    failures: new Map([[FAILED.objectKey, 'AccessDenied']]),
  };
  const catalog = new FakeCatalog();
  catalog.queue = [FAILED, LATE];
  const controller = new AbortController();
  const seen = [];
  const deps = { uploader, clock, catalog };
  for await (const answer of watchTasks(deps, WAIT, controller.signal)) {
    seen.push(answer);
    change(uploader, seen.length);
    if (seen.length === count) break;
  }
  expect(clock.slept).toEqual(Array.from({ length: count - 1 }, () => 1_000));
  return seen;
}

test('the first look takes the rate since the copy began; later ones follow it smoothly', async () => {
  const seen = await looks(3, (uploader, look) => {
    uploader.copies = [{ ...copy, sentBytes: 2_000 + look * 2_000 }];
  });
  expect(seen[0]).toEqual({
    tasks: [
      {
        kind: 'copy',
        topic: 'orders',
        partition: 0,
        startOffset: 10n,
        step: 'opening',
        doneBytes: 2_000n,
        totalBytes: 10_000n,
        bytesPerSecond: 1_000n,
        etaMs: 8_000n,
        attempt: 1,
        sinceMs: BigInt(copy.sinceMs),
        dueMs: undefined,
        error: '',
      },
      {
        kind: 'erase',
        topic: 'old',
        partition: 1,
        startOffset: 5n,
        step: 'erasing',
        doneBytes: 0n,
        totalBytes: 77n,
        bytesPerSecond: 0n,
        etaMs: undefined,
        attempt: 2,
        sinceMs: 900_000n,
        dueMs: undefined,
        error: 'AccessDenied',
      },
      {
        kind: 'erase',
        topic: 'old',
        partition: 1,
        startOffset: 9n,
        step: 'outwaiting late writers',
        doneBytes: 0n,
        totalBytes: 77n,
        bytesPerSecond: 0n,
        etaMs: undefined,
        attempt: 2,
        sinceMs: 900_000n,
        dueMs: BigInt(START_MS + 60_000),
        error: '',
      },
    ],
    queued: 3n,
    atMs: BigInt(START_MS),
    moreErasures: false,
    erasuresUnknown: '',
  });
  const rates = seen.map(({ tasks }) => [tasks[0]?.bytesPerSecond, tasks[0]?.etaMs]);
  expect(rates).toEqual([
    [1_000n, 8_000n],
    [1_300n, 4_615n],
    [1_510n, 2_649n],
  ]);
});

test('a new attempt begins anew, and a copy that stands still has no time left to tell', async () => {
  const seen = await looks(2, (uploader) => {
    uploader.copies = [{ ...copy, attempt: 2, sentBytes: 0, sinceMs: START_MS + 1_000 }];
  });
  const { bytesPerSecond, etaMs, attempt } = seen[1]!.tasks[0]!;
  expect({ bytesPerSecond, etaMs, attempt }).toEqual({
    bytesPerSecond: 0n,
    etaMs: undefined,
    attempt: 2,
  });
});

test('copies are told while the delete queue is not known, and a long queue is cut', async () => {
  const uploader = new FakeUploader();
  uploader.copies = [copy];
  const catalog = new FakeCatalog();
  const deps = { uploader, clock: new SkippingClock(START_MS), catalog };
  const look = async () => {
    const { value } = await watchTasks(deps, WAIT, new AbortController().signal).next();
    return [value?.tasks.length, value?.moreErasures, value?.erasuresUnknown];
  };
  catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no member answers');
  expect(await look()).toEqual([1, false, 'no member answers']);
  catalog.silent = undefined;
  catalog.queue = Array.from({ length: 101 }, () => LATE);
  expect(await look()).toEqual([101, true, '']);
});
