import { array, assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { decideFetch, type RemoteView } from '../../../src/kafka/fetch-decision.ts';
import { remoteView } from '../../../src/kafka/remote-view.ts';

// Remote start 100, segments [100, 200) and [250, 320), local start 300, log end 400:
//
//   100 ──── 200   250 ──┬── 320
//                       300 ─────── 400
const OFFSETS = { remoteStart: 100n, localStart: 300n, logEnd: 400n };
const LINEAGE = [{ epoch: 1, startOffset: 0n }];
const first = segment('first', 100n, 200n);
const second = segment('second', 250n, 320n);
const VIEW = remoteView([first, second], LINEAGE);

function segment(name: string, startOffset: bigint, nextOffset: bigint) {
  return { name, startOffset, nextOffset, epochs: [{ epoch: 1, startOffset }] };
}

const fromFirst = { kind: 'remote', segment: first, nextOffset: 200n };
const fromSecond = { kind: 'remote', segment: second, nextOffset: 320n };
const below = { kind: 'out-of-range', start: 100n, end: 400n };

test.each([
  ['row 1: one below the remote start is out of range', 99n, below],
  ['row 1: the first offset of all is out of range', 0n, below],
  ['row 2: the remote start is served', 100n, fromFirst],
  ['row 2: the last offset of a segment is served', 199n, fromFirst],
  ['row 3: the first offset of a gap names its end', 200n, { kind: 'gap', next: 250n }],
  ['row 3: the last offset of a gap names its end', 249n, { kind: 'gap', next: 250n }],
  ['row 2: the first offset behind a gap is served', 250n, fromSecond],
  ['row 2: one below the local start is served', 299n, fromSecond],
  ['row 5: the local start is the broker’s, though a segment holds it', 300n, ask(300n)],
  ['row 5: the last offset of the overlap is the broker’s', 319n, ask(319n)],
  ['row 6: past the remote end only the broker has it', 320n, ask(320n)],
  ['row 7: the log end is asked of the broker, who waits', 400n, ask(400n)],
  ['row 8: one past the log end is out of range', 401n, below],
])('%s', (_, offset, decision) => {
  expect(decideFetch(offset, OFFSETS, VIEW)).toEqual(decision);
});

function ask(offset: bigint) {
  return { kind: 'ask-broker', offset };
}

test('row 4: a gap with nothing behind it ends at the local start', () => {
  const view = remoteView([first], LINEAGE);
  expect(decideFetch(200n, OFFSETS, view)).toEqual({ kind: 'gap', next: 300n });
  expect(decideFetch(299n, OFFSETS, view)).toEqual({ kind: 'gap', next: 300n });
});

test('row 3: a segment that begins above the local start does not stretch the gap', () => {
  const view = remoteView([first, segment('late', 310n, 350n)], LINEAGE);
  expect(decideFetch(200n, OFFSETS, view)).toEqual({ kind: 'gap', next: 300n });
});

test('rows 3 and 4: nothing remote at all is a gap, never an empty answer', () => {
  expect(decideFetch(100n, OFFSETS, remoteView([], LINEAGE))).toEqual({ kind: 'gap', next: 300n });
});

test('row 9: what the lineage contradicts is absent', () => {
  const lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 4, startOffset: 150n },
    { epoch: 5, startOffset: 290n },
  ];
  const view = remoteView([first, second], lineage);
  expect(decideFetch(149n, OFFSETS, view)).toEqual({ ...fromFirst, nextOffset: 150n });
  expect(decideFetch(150n, OFFSETS, view)).toEqual({ kind: 'gap', next: 300n });
});

test('without a log end the broker is asked for everything from the local start up', () => {
  const offsets = { ...OFFSETS, logEnd: undefined };
  expect(decideFetch(401n, offsets, VIEW)).toEqual(ask(401n));
  expect(decideFetch(99n, offsets, VIEW)).toEqual({ ...below, end: undefined });
});

test('a broker that is down hides nothing that a segment holds', () => {
  const offsets = { remoteStart: 100n, localStart: undefined, logEnd: undefined };
  const notReady = { kind: 'not-ready', why: 'local-start-unknown' };
  expect(decideFetch(100n, offsets, VIEW)).toEqual(fromFirst);
  expect(decideFetch(319n, offsets, VIEW)).toEqual(fromSecond);
  expect(decideFetch(99n, offsets, VIEW)).toEqual(notReady);
  expect(decideFetch(200n, offsets, VIEW)).toEqual(notReady);
  expect(decideFetch(320n, offsets, VIEW)).toEqual(notReady);
});

test('a segment below the remote start is never served: it may be erased at any moment', () => {
  const offsets = { ...OFFSETS, remoteStart: 150n };
  expect(decideFetch(149n, offsets, VIEW)).toEqual({ ...below, start: 150n });
  expect(decideFetch(150n, offsets, VIEW)).toEqual(fromFirst);
});

test('a broker that still holds offsets below the remote start is asked for them', () => {
  const offsets = { remoteStart: 350n, localStart: 300n, logEnd: 400n };
  expect(decideFetch(300n, offsets, VIEW)).toEqual(ask(300n));
  expect(decideFetch(299n, offsets, VIEW)).toEqual({ ...below, start: 300n });
});

test('every offset has exactly one holder, and a gap always leads upwards', () => {
  const lists = array(integer({ min: 0, max: 30 }), { maxLength: 6 });
  const offset = integer({ min: 0, max: 40 });
  assert(
    property(lists, offset, offset, offset, (starts, at, remoteStart, localStart) => {
      const view: RemoteView<unknown> = remoteView(
        starts.map((start) => segment(`${start}`, BigInt(start), BigInt(start + 3))),
        LINEAGE,
      );
      const offsets = {
        remoteStart: BigInt(remoteStart),
        localStart: BigInt(localStart),
        logEnd: 45n,
      };
      const decision = decideFetch(BigInt(at), offsets, view);
      if (decision.kind === 'gap') expect(decision.next > BigInt(at)).toBe(true);
      if (decision.kind === 'remote') expect(decision.nextOffset > BigInt(at)).toBe(true);
      const isHeld = starts.some((start) => start <= at && at < start + 3);
      const local = at >= localStart ? 'ask-broker' : undefined;
      const remote = at < remoteStart ? 'out-of-range' : isHeld ? 'remote' : 'gap';
      expect(decision.kind).toBe(local ?? remote);
    }),
    { numRuns: 500 },
  );
});
