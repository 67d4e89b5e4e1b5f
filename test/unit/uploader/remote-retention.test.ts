import { array, assert, integer, nat, option, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLOCK_TOLERANCE_MS,
  MOST_DELETES,
  planRetention,
  type RetentionInput,
} from '../../../src/uploader/remote-retention.ts';
import type { SegmentRecord } from '../../../src/segment/segment-record.ts';
import { partitionSnapshot, segmentRecord } from '../../support/segment-records.ts';

const NOW_MS = 1_000_000_000;
const GRACE_MS = 86_400_000;
const clocks = {
  sidecarMs: NOW_MS,
  metastoreMs: NOW_MS,
  metastoreHeld: false,
  storeMs: NOW_MS,
};
const none = { timeMs: undefined, bytes: undefined };

/** Ten segments of ten offsets and 100 bytes; the oldest record of segment i is i · 1,000 ms old from the end. */
const ten = Array.from({ length: 10 }, (_, index) =>
  segmentRecord([index * 10, index * 10 + 10], { maxTimestampMs: NOW_MS - (10 - index) * 1000 }),
);

function input(more: Partial<RetentionInput> = {}): RetentionInput {
  return {
    snapshot: partitionSnapshot(ten),
    limits: none,
    clocks,
    memory: undefined,
    uptimeMs: 5000,
    graceMs: GRACE_MS,
    ...more,
  };
}

/** What is erased, as "start:reason", and the new remote start. */
function erased(more: Partial<RetentionInput>): unknown {
  const given = input(more);
  const { plan } = planRetention(given);
  if (plan.kind !== 'erase') return plan;
  const byId = new Map(given.snapshot.segments.map((record) => [record.segmentId, record]));
  const names = plan.segments.map(
    ({ segmentId, reason }) => `${byId.get(segmentId)?.startOffset}:${reason}`,
  );
  return { remoteStart: plan.remoteStart, names };
}

test('without limits everything is kept for ever', () => {
  expect(planRetention(input())).toEqual({
    plan: { kind: 'nothing' },
    memory: { limits: none, isIntended: false, largeSinceMs: undefined },
  });
});

test('whole segments go from the start, up to the first that is young enough', () => {
  expect(erased({ limits: { timeMs: 7500, bytes: undefined } })).toEqual({
    remoteStart: 30n,
    names: ['0:RETENTION_TIME', '10:RETENTION_TIME', '20:RETENTION_TIME'],
  });
});

test('a young segment keeps older ones above it', () => {
  const young = ten.map((record, index) =>
    index === 1 ? { ...record, maxTimestampMs: NOW_MS } : record,
  );
  const limits = { timeMs: 7500, bytes: undefined };
  expect(erased({ snapshot: partitionSnapshot(young), limits })).toEqual({
    remoteStart: 10n,
    names: ['0:RETENTION_TIME'],
  });
});

test('a segment without a timestamp has no age', () => {
  const snapshot = partitionSnapshot([segmentRecord([0, 10], { maxTimestampMs: -1 }), ...ten]);
  expect(erased({ snapshot, limits: { timeMs: 1, bytes: undefined } })).toEqual({
    kind: 'nothing',
  });
});

test('by size, what is kept never falls below the limit', () => {
  expect(erased({ limits: { timeMs: undefined, bytes: 750 } })).toEqual({
    remoteStart: 20n,
    names: ['0:RETENTION_BYTES', '10:RETENTION_BYTES'],
  });
});

test('both limits act together', () => {
  expect(erased({ limits: { timeMs: 7500, bytes: 900 } })).toEqual({
    remoteStart: 30n,
    names: ['0:RETENTION_BYTES', '10:RETENTION_TIME', '20:RETENTION_TIME'],
  });
});

test('only FINISHED segments count and go', () => {
  const segments = [segmentRecord([0, 5], { state: 'COPY_SEGMENT_STARTED' }), ...ten];
  expect(
    erased({ snapshot: partitionSnapshot(segments), limits: { timeMs: 8500, bytes: undefined } }),
  ).toEqual({ remoteStart: 20n, names: ['0:RETENTION_TIME', '10:RETENTION_TIME'] });
});

test('the start does not pass over what an overlapping segment still holds', () => {
  const old = segmentRecord([0, 10], { maxTimestampMs: 1 });
  const overlapping = segmentRecord([6, 30], { maxTimestampMs: NOW_MS });
  const more = segmentRecord([30, 40], { maxTimestampMs: NOW_MS });
  const snapshot = partitionSnapshot([old, overlapping, more]);
  expect(erased({ snapshot, limits: { timeMs: 5000, bytes: undefined } })).toEqual({
    remoteStart: 6n,
    names: ['0:RETENTION_TIME'],
  });
});

test('what an operator moved the start past goes', () => {
  const snapshot = partitionSnapshot(ten, { remoteStart: 15n });
  expect(erased({ snapshot })).toEqual({ remoteStart: 15n, names: ['0:OPERATOR'] });
});

test('rule 1: a segment is erased as divergent only with the entry that contradicts it', () => {
  const lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 4, startOffset: 90n },
  ];
  const snapshot = partitionSnapshot(ten, { lineage });
  expect(planRetention(input({ snapshot })).plan).toEqual({
    kind: 'erase',
    remoteStart: 0n,
    segments: [
      {
        segmentId: ten[9]?.segmentId,
        reason: 'DIVERGED',
        contradiction: { epoch: 4, startOffset: 90n },
      },
    ],
  });
});

test('rule 1: entries that are missing contradict nothing', () => {
  const ahead = ten.map((record) => ({
    ...record,
    epochs: [{ epoch: 5, startOffset: record.startOffset }],
  }));
  const cut = [{ epoch: 5, startOffset: 95n }];
  const old = [{ epoch: 1, startOffset: 0n }];
  for (const lineage of [cut, old, []]) {
    expect(erased({ snapshot: partitionSnapshot(ahead, { lineage }) })).toEqual({
      kind: 'nothing',
    });
  }
});

test('rule 1: a segment of which the lineage still names a part is kept', () => {
  const lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 4, startOffset: 95n },
  ];
  expect(erased({ snapshot: partitionSnapshot(ten, { lineage }) })).toEqual({ kind: 'nothing' });
});

test.each(['sidecarMs', 'metastoreMs', 'storeMs'] as const)(
  'rule 8: nothing goes while %s is more than 5 minutes from the other clocks',
  (clock) => {
    for (const offMs of [CLOCK_TOLERANCE_MS + 1, -CLOCK_TOLERANCE_MS - 1]) {
      const off = { ...clocks, [clock]: NOW_MS + offMs };
      expect(erased({ limits: { timeMs: 7500, bytes: undefined }, clocks: off })).toEqual({
        kind: 'held',
        reason: 'CLOCK_SKEW',
        segments: expect.any(Number),
        logBytes: expect.any(Number),
      });
    }
  },
);

test('rule 8: within the tolerance the earliest clock counts', () => {
  const ahead = { ...clocks, sidecarMs: NOW_MS + 60_000 };
  const limits = { timeMs: 7500, bytes: undefined };
  expect(erased({ limits, clocks: ahead })).toEqual(erased({ limits }));
});

test('rule 8: nothing goes while a jump of the replicated clock waits for an operator', () => {
  const held = { ...clocks, metastoreHeld: true };
  const { plan } = planRetention(
    input({ clocks: held, limits: { timeMs: 7500, bytes: undefined } }),
  );
  expect(plan).toEqual({ kind: 'held', reason: 'CLOCK_HELD', segments: 3, logBytes: 300 });
});

test('rule 8: a pass over more than half of the partition waits one grace', () => {
  const limits = { timeMs: 4500, bytes: undefined };
  const first = planRetention(input({ limits }));
  expect(first).toEqual({
    plan: { kind: 'held', reason: 'MORE_THAN_HALF', segments: 6, logBytes: 600 },
    memory: { limits, isIntended: false, largeSinceMs: 5000 },
  });
  const { memory } = first;
  const waiting = planRetention(input({ limits, memory, uptimeMs: 5000 + GRACE_MS - 1 }));
  expect(waiting.plan.kind).toBe('held');
  const over = planRetention(input({ limits, memory, uptimeMs: 5000 + GRACE_MS }));
  expect(over.plan).toMatchObject({ kind: 'erase', remoteStart: 60n });
});

test('rule 8: the grace begins anew when a pass in between was small', () => {
  const limits = { timeMs: 4500, bytes: undefined };
  const { memory: large } = planRetention(input({ limits }));
  const small = partitionSnapshot(ten.slice(6));
  const { memory } = planRetention(input({ limits, memory: large, snapshot: small }));
  const again = planRetention(input({ limits, memory, uptimeMs: 5000 + GRACE_MS }));
  expect(again.plan.kind).toBe('held');
});

test('rule 8: limits that an operator just changed are meant, to the end of the pass', () => {
  const before = planRetention(input({ limits: none })).memory;
  const limits = { timeMs: 4500, bytes: undefined };
  const first = planRetention(input({ limits, memory: before }));
  expect(first.plan).toMatchObject({ kind: 'erase', remoteStart: 60n });
  const next = planRetention(input({ limits, memory: first.memory }));
  expect(next.plan.kind).toBe('erase');
});

test('one pass erases a bounded number, oldest first, and moves the start only past these', () => {
  const many = Array.from({ length: 2 * MOST_DELETES + 200 }, (_, index) =>
    segmentRecord([index, index + 1], { maxTimestampMs: index < MOST_DELETES + 100 ? 1 : NOW_MS }),
  );
  const { plan } = planRetention(
    input({ snapshot: partitionSnapshot(many), limits: { timeMs: 7500, bytes: undefined } }),
  );
  expect(plan.kind === 'erase' && plan.segments.length).toBe(MOST_DELETES);
  expect(plan).toMatchObject({ remoteStart: BigInt(MOST_DELETES) });
});

const anySegments = array(
  tuple(integer({ min: 1, max: 6 }), nat(4), nat(20_000), integer({ min: 1, max: 300 })),
  { maxLength: 12 },
).map((shapes) => {
  let at = 0;
  return shapes.map(([length, backBy, ageMs, logBytes], index): SegmentRecord => {
    const start = Math.max(0, at - (backBy > 2 ? backBy : 0));
    at = start + length + backBy;
    return segmentRecord([start, at], {
      segmentId: segmentRecord([index, index + 1]).segmentId,
      maxTimestampMs: NOW_MS - ageMs,
      logBytes,
    });
  });
});

test('what is kept is within its limits or younger, and every offset above the start is still there', () => {
  assert(
    property(
      anySegments,
      option(nat(20_000), { nil: undefined }),
      option(nat(2_000), { nil: undefined }),
      nat(20),
      (segments, timeMs, bytes, start) => {
        const snapshot = partitionSnapshot(segments, { remoteStart: BigInt(start) });
        const { plan } = planRetention(input({ snapshot, limits: { timeMs, bytes }, graceMs: 0 }));
        if (plan.kind !== 'erase') return;
        const gone = new Set(plan.segments.map(({ segmentId }) => segmentId));
        const kept = segments.filter(({ segmentId }) => !gone.has(segmentId));
        expect(plan.remoteStart).toBeGreaterThanOrEqual(BigInt(start));
        for (let offset = plan.remoteStart; offset < 120n; offset += 1n) {
          const holds = (record: SegmentRecord): boolean =>
            record.startOffset <= offset && offset < record.nextOffset;
          expect(kept.some(holds)).toBe(segments.some(holds));
        }
        const byTime = plan.segments.filter(({ reason }) => reason === 'RETENTION_TIME');
        for (const { segmentId } of byTime) {
          const record = segments.find((candidate) => candidate.segmentId === segmentId);
          expect(NOW_MS - (record?.maxTimestampMs ?? NOW_MS)).toBeGreaterThan(timeMs ?? Infinity);
        }
      },
    ),
    { numRuns: 150 },
  );
});
