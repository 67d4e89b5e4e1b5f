import { array, assert, integer, nat, property, record, tuple, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import { epochAt, type Lineage } from '../../../src/kafka/lineage.ts';
import { planCopies } from '../../../src/uploader/copy-plan.ts';
import {
  claimToken,
  closedSegment,
  numberedSegment,
  partitionSnapshot,
  segmentRecord,
} from '../../support/segment-records.ts';

function starts(plan: ReturnType<typeof planCopies>): number[] {
  return plan.map(({ segment }) => Number(segment.startOffset));
}

const closed = [closedSegment(0, 10), closedSegment(10, 20), closedSegment(20, 30)];
const started = { state: 'COPY_SEGMENT_STARTED' } as const;

test('rule 7: a hole below the highest copied offset is copied', () => {
  const snapshot = partitionSnapshot([segmentRecord([0, 10]), segmentRecord([20, 30])]);
  expect(starts(planCopies({ snapshot, closed, brokerId: 1 }))).toEqual([10]);
});

test('rule 7: segments of another shape count when they cover without a hole', () => {
  const snapshot = partitionSnapshot([
    segmentRecord([0, 7]),
    segmentRecord([5, 16]),
    segmentRecord([16, 29]),
  ]);
  expect(starts(planCopies({ snapshot, closed, brokerId: 1 }))).toEqual([20]);
});

test('rule 7: after an unclean election only what the lineage still names counts', () => {
  const lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 3, startOffset: 12n },
  ];
  const old = { epochs: [{ epoch: 1, startOffset: 10n }] };
  const snapshot = partitionSnapshot([segmentRecord([0, 10]), segmentRecord([10, 20], old)], {
    lineage,
  });
  expect(starts(planCopies({ snapshot, closed, brokerId: 1 }))).toEqual([10, 20]);
});

test('what lies below the remote start was erased and is not copied again', () => {
  const snapshot = partitionSnapshot([], { remoteStart: 20n });
  expect(starts(planCopies({ snapshot, closed, brokerId: 1 }))).toEqual([20]);
  const within = partitionSnapshot([], { remoteStart: 15n });
  expect(starts(planCopies({ snapshot: within, closed, brokerId: 1 }))).toEqual([10, 20]);
});

test('only FINISHED segments count', () => {
  const states = ['COPY_SEGMENT_STARTED', 'DELETE_SEGMENT_STARTED'] as const;
  for (const state of states) {
    const snapshot = partitionSnapshot([segmentRecord([0, 30], { state })]);
    expect(starts(planCopies({ snapshot, closed, brokerId: 1 }))).toEqual([0, 10, 20]);
  }
});

test('rule 11: our own open intent for the same range is taken up again', () => {
  const own = segmentRecord([10, 20], started);
  const snapshot = partitionSnapshot([
    segmentRecord([0, 10]),
    own,
    segmentRecord([10, 20], { ...started, segmentId: numberedSegment(1) }),
  ]);
  const plan = planCopies({ snapshot, closed, brokerId: 1 });
  expect(plan.map(({ resumes }) => resumes?.segmentId)).toEqual([own.segmentId, undefined]);
});

test.each([
  ['another broker’s', { brokerId: 2 }],
  ['one that the newest claim did not re-stamp', { fenceToken: { ...claimToken, index: 49n } }],
  ['one of another range', { nextOffset: 19n }],
])('rule 11: %s open intent is not taken up', (_name, more) => {
  const snapshot = partitionSnapshot([segmentRecord([10, 20], { ...started, ...more })]);
  const plan = planCopies({ snapshot, closed, brokerId: 1 });
  expect(plan.map(({ resumes }) => resumes)).toEqual([undefined, undefined, undefined]);
});

const SPAN = 40;

const anyLineage = uniqueArray(integer({ min: 0, max: SPAN }), { maxLength: 4 }).map(
  (offsets): Lineage =>
    offsets
      .toSorted((a, b) => a - b)
      .map((offset, index) => ({ epoch: index * 2, startOffset: BigInt(offset) })),
);

const anySegment = record({
  range: tuple(nat(SPAN - 1), integer({ min: 1, max: 15 })),
  epoch: nat(6),
}).map(({ range: [start, length], epoch }) =>
  segmentRecord([start, start + length], {
    epochs: [{ epoch, startOffset: BigInt(start) }],
  }),
);

const anyClosed = uniqueArray(nat(SPAN), { minLength: 2, maxLength: 8 }).map((bases) => {
  const sorted = bases.toSorted((a, b) => a - b);
  return sorted.slice(1).map((next, index) => closedSegment(sorted[index] ?? 0, next));
});

test('a segment is planned exactly when some offset of it is served by nothing', () => {
  assert(
    property(
      anyLineage,
      array(anySegment, { maxLength: 6 }),
      anyClosed,
      nat(SPAN),
      (lineage, segments, local, remoteStart) => {
        const snapshot = partitionSnapshot(segments, { lineage, remoteStart: BigInt(remoteStart) });
        const isServed = (offset: bigint): boolean =>
          segments.some((segment) => {
            const told = epochAt(lineage, offset);
            const isInside = segment.startOffset <= offset && offset < segment.nextOffset;
            return isInside && (told === undefined || told === epochAt(segment.epochs, offset));
          });
        const expected = local.filter(({ startOffset, nextOffset }) => {
          for (let offset = startOffset; offset < nextOffset; offset += 1n) {
            if (offset >= BigInt(remoteStart) && !isServed(offset)) return true;
          }
          return false;
        });
        const plan = planCopies({ snapshot, closed: local, brokerId: 1 });
        expect(plan.map(({ segment }) => segment)).toEqual(expected);
      },
    ),
    { numRuns: 500 },
  );
});
