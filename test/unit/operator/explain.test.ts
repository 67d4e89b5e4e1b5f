import { expect, test } from 'vitest';
import { explain } from '../../../src/operator/explain.ts';
import { lagOf } from '../../../src/operator/lag.ts';
import { waitingReasons, type WaitingReason } from '../../../src/uploader/waiting-reason.ts';
import { FakeUploader, localPartition, localSegment } from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const never = new AbortController().signal;
const settings = { headroomAlarmMs: 1_000 };

function isReason(name: string): name is WaitingReason {
  return Object.hasOwn(waitingReasons, name);
}

const reasons = Object.keys(waitingReasons).filter(isReason);

function waitingFor(reason: WaitingReason, detail: string | undefined) {
  const waiting = { reason, detail, sinceMs: 42 };
  const segment = localSegment(0n, 10n, { state: 'waiting', waiting, deletableAtMs: 500_000 });
  return localPartition({ segments: [segment] });
}

test.each(reasons)('tells %s in its own words, with what is special about it', async (reason) => {
  const uploader = new FakeUploader();
  uploader.all = [waitingFor(reason, 'this one')];
  const deps = { uploader, clock: new SkippingClock(400_000) };
  const answer = await explain(deps, settings, { topic: 'orders', partition: 0 }, never);
  expect(answer).toEqual({
    segments: [
      {
        partition: 0,
        startOffset: 0n,
        nextOffset: 10n,
        logBytes: 1000n,
        state: 'waiting',
        reason,
        words: `${waitingReasons[reason]} (this one)`,
        sinceMs: 42n,
        copiedBytes: undefined,
        headroomMs: 100_000n,
      },
    ],
    findings: [],
  });
});

test('what is never copied from here is no lag; everything else is', () => {
  const notOwed = reasons.filter((reason) => lagOf(waitingFor(reason, undefined)).bytes === 0);
  expect(notOwed).toEqual([
    'ACTIVE',
    'TOPIC_NOT_MATCHED',
    'TOPIC_INTERNAL',
    'TOPIC_COMPACTED',
    'TOPIC_TIERED_BY_BROKER',
    'BEFORE_FROM',
    'NOT_LEADER',
  ]);
});

test('remote, copying and active segments of all partitions, in order, with all findings', async () => {
  const uploader = new FakeUploader();
  const copying = { reason: 'COPYING', detail: undefined, sinceMs: 9 } as const;
  const blocked = { reason: 'CLAIM_PENDING', detail: undefined, sinceMs: 3 } as const;
  uploader.all = [
    localPartition({
      partition: 1,
      blocked,
      segments: [localSegment(5n, 9n, { state: 'waiting', waiting: undefined })],
    }),
    localPartition({
      segments: [
        localSegment(0n, 10n),
        localSegment(10n, 20n, { state: 'copying', waiting: copying, copiedBytes: 250 }),
        localSegment(20n, undefined),
      ],
    }),
  ];
  uploader.own = [{ code: 'WATCH_LIMIT', text: 'no more watches', sinceMs: 1 }];
  const deps = { uploader, clock: new SkippingClock() };
  const answer = await explain(deps, settings, { topic: 'orders', partition: undefined }, never);
  const short = answer.segments.map(({ partition, nextOffset, state, reason, copiedBytes }) => [
    partition,
    nextOffset,
    state,
    reason,
    copiedBytes,
  ]);
  expect(short).toEqual([
    [0, 10n, 'remote', '', undefined],
    [0, 20n, 'copying', 'COPYING', 250n],
    [0, 20n, 'active', 'ACTIVE', undefined],
    [1, 9n, 'waiting', 'CLAIM_PENDING', undefined],
  ]);
  expect(answer.findings.map(({ code }) => code)).toEqual(['WATCH_LIMIT']);
});

test('a topic without a log here is NOT_FOUND with a hint', async () => {
  const deps = { uploader: new FakeUploader(), clock: new SkippingClock() };
  await expect(
    explain(deps, settings, { topic: 'absent', partition: 3 }, never),
  ).rejects.toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('inventory ls') });
});
