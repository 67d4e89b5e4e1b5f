import { expect, test } from 'vitest';
import { watchTasks, type EraseInFlight } from '../../../src/operator/tasks.ts';
import type { CopyTask } from '../../../src/uploader/uploader-status.ts';
import { FakeUploader } from '../../support/operator-world.ts';
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

async function looks(count: number, change: (uploader: FakeUploader, look: number) => void) {
  const uploader = new FakeUploader();
  uploader.copies = [copy];
  uploader.queued = 3;
  const clock = new SkippingClock(START_MS);
  const erase: EraseInFlight = {
    topic: 'old',
    partition: 1,
    startOffset: 5n,
    step: 'delete',
    objectBytes: 77,
    attempt: 2,
    sinceMs: 900_000,
  };
  const controller = new AbortController();
  const seen = [];
  const deps = { uploader, clock, erasures: () => [erase] };
  for await (const answer of watchTasks(deps, controller.signal)) {
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
      },
      {
        kind: 'erase',
        topic: 'old',
        partition: 1,
        startOffset: 5n,
        step: 'delete',
        doneBytes: 0n,
        totalBytes: 77n,
        bytesPerSecond: 0n,
        etaMs: undefined,
        attempt: 2,
        sinceMs: 900_000n,
      },
    ],
    queued: 3n,
    atMs: BigInt(START_MS),
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
