import { expect, test } from 'vitest';
import { Inflights } from '../../../../src/metastore/raft/inflights.ts';
import { Progress } from '../../../../src/metastore/raft/progress.ts';

function progressAt(match: number, next: number, window = new Inflights(3, 100)): Progress {
  const start = { match, next, isLearner: false, isRecentlyActive: true, inflights: window };
  return new Progress(start);
}

test('bug 20: the window frees what was acknowledged, all the way round its ring', () => {
  const window = new Inflights(3, 1000);
  for (let round = 0; round < 10; round++) {
    const first = round * 3;
    for (const place of [1, 2, 3]) window.add(first + place, 10);
    expect({ isFull: window.isFull(), count: window.count }).toEqual({ isFull: true, count: 3 });
    window.freeUpTo(first + 2);
    expect({ isFull: window.isFull(), count: window.count }).toEqual({ isFull: false, count: 1 });
    window.freeUpTo(first);
    expect(window.count).toBe(1);
    window.freeUpTo(first + 3);
    expect(window.count).toBe(0);
  }
});

test('bug 20: the window is full by bytes too, and one large message still fits into an empty one', () => {
  const window = new Inflights(3, 100);
  window.add(1, 5000);
  expect(window.isFull()).toBe(true);
  expect(() => window.add(2, 1)).toThrow('full');
  window.freeUpTo(1);
  expect(window.isFull()).toBe(false);
});

test('a probe is paused after one message and goes on after an answer', () => {
  const progress = progressAt(0, 1);
  progress.sentEntries(0, 0);
  expect(progress.isPaused()).toBe(false);
  progress.sentEntries(2, 10);
  expect(progress.view()).toMatchObject({ next: 1, isPaused: true });
  expect(progress.maybeUpdate(2)).toBe(true);
  expect(progress.view()).toMatchObject({ match: 2, next: 3, isPaused: false });
  expect(progress.maybeUpdate(1)).toBe(false);
});

test('replication runs ahead of the acknowledgements until the window is full', () => {
  const progress = progressAt(5, 9);
  progress.becomeReplicate();
  for (let at = 0; at < 3; at++) progress.sentEntries(2, 1);
  expect(progress.view()).toMatchObject({
    match: 5,
    next: 12,
    isPaused: true,
    inflightMessages: 3,
  });
});

test('bug 19: a rejection never moves next to or below match', () => {
  const replicating = progressAt(5, 20);
  replicating.state = 'replicate';
  expect(replicating.maybeDecrease(5, 2)).toBe(false);
  expect(replicating.maybeDecrease(9, 2)).toBe(true);
  expect(replicating.next).toBe(6);
  const probing = progressAt(5, 20);
  expect(probing.maybeDecrease(18, 2)).toBe(false);
  expect(probing.maybeDecrease(19, 2)).toBe(true);
  expect(probing.next).toBe(6);
});

test('bug 21: after a snapshot, probing starts behind the snapshot or behind what is acknowledged', () => {
  const progress = progressAt(1, 2);
  progress.becomeSnapshot(10);
  expect(progress.view()).toMatchObject({ next: 11, pendingSnapshot: 10, isPaused: true });
  progress.becomeProbe();
  expect(progress.view()).toMatchObject({ next: 11, pendingSnapshot: 0, isPaused: false });
  progress.becomeSnapshot(10);
  progress.maybeUpdate(15);
  progress.becomeProbe();
  expect(progress.next).toBe(16);
});

test('the commit index is told again only when it can move the follower', () => {
  const progress = progressAt(3, 8);
  progress.sentCommit(3);
  expect(progress.canBumpCommit(3)).toBe(false);
  expect(progress.canBumpCommit(5)).toBe(true);
  progress.sentCommit(7);
  expect(progress.canBumpCommit(9)).toBe(false);
});
