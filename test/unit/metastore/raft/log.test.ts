import { expect, test } from 'vitest';
import { RaftLog } from '../../../../src/metastore/raft/raft-log.ts';
import { NO_LIMIT } from '../../../../src/metastore/raft/settings.ts';
import type { TraceEvent } from '../../../../src/metastore/raft/trace.ts';
import { MemoryStorage } from '../../../raft/memory-storage.ts';
import { entryOf, logOf, messageOf, TestNode, voters } from '../../../support/raft-world.ts';

function logWith(stored: readonly number[], unstable: readonly number[] = []) {
  const storage = new MemoryStorage();
  storage.append(logOf(...stored));
  const events: TraceEvent[] = [];
  const log = new RaftLog({ storage, trace: (event) => void events.push(event) }, NO_LIMIT);
  log.append(unstable.map((term, at) => entryOf(term, stored.length + at + 1)));
  return { log, storage, events };
}

test('an append is taken only after an entry that agrees, and only what differs is replaced', () => {
  const { log, events } = logWith([1, 1, 2]);
  expect(log.maybeAppend({ term: 3, index: 3 }, [entryOf(3, 4)], 9)).toBeUndefined();
  expect(log.maybeAppend({ term: 1, index: 9 }, [], 9)).toBeUndefined();
  expect(log.maybeAppend({ term: 1, index: 1 }, [entryOf(1, 2)], 0)).toBe(2);
  expect(log.unstable.entries).toEqual([]);
  const added = [entryOf(1, 2), entryOf(3, 3), entryOf(3, 4)];
  expect(log.maybeAppend({ term: 1, index: 1 }, added, 3)).toBe(4);
  expect(log.unstable.entries).toEqual(added.slice(1));
  expect({ commit: log.commit, lastIndex: log.lastIndex() }).toEqual({ commit: 3, lastIndex: 4 });
  expect(events).toEqual([
    { kind: 'conflictFound', index: 3, existingTerm: 2, conflictingTerm: 3 },
    { kind: 'unstableReplaced', index: 3 },
  ]);
});

test('bug 12: a committed entry is never replaced', () => {
  const { log } = logWith([1, 1, 1]);
  log.commitTo(2);
  const late = () => log.maybeAppend({ term: 1, index: 1 }, [entryOf(2, 2)], 2);
  expect(late).toThrow('committed');
  expect(log.term(2)).toBe(1);
});

test('the hint of a rejection skips every entry that cannot agree', () => {
  const { log } = logWith([1, 1, 3, 3, 5]);
  expect(log.conflictByTerm(5, 4)).toEqual({ index: 4, term: 3 });
  expect(log.conflictByTerm(5, 2)).toEqual({ index: 2, term: 1 });
  expect(log.conflictByTerm(3, 0)).toEqual({ index: 0, term: 0 });
});

test('bug 1: an entry of an older term is not committed by counting', () => {
  const { log } = logWith([1, 2]);
  expect(log.maybeCommit(2, 4)).toBe(false);
  log.append([entryOf(4, 3)]);
  expect(log.maybeCommit(2, 4)).toBe(false);
  expect(log.maybeCommit(3, 4)).toBe(true);
  expect(log.commit).toBe(3);
});

test('bug 13: an answer of the disk for entries that were replaced says nothing about the new ones', () => {
  const { log, events } = logWith([1], [1, 1]);
  log.append([entryOf(2, 2)]);
  log.unstable.stableTo(2, 1);
  expect(log.unstable.entries).toEqual([entryOf(2, 2)]);
  log.unstable.stableTo(5, 2);
  log.unstable.stableTo(2, 2);
  expect({ entries: log.unstable.entries, offset: log.unstable.offset }).toEqual({
    entries: [],
    offset: 3,
  });
  expect(events).toEqual([
    { kind: 'unstableReplaced', index: 2 },
    { kind: 'stableEntryMismatch', index: 2, term: 1, unstableTerm: 2 },
    { kind: 'stableEntryMissing', index: 5 },
  ]);
});

const append = (term: number, from: number) =>
  messageOf('MsgApp', from, 1, { term, entries: [entryOf(term, 1)] });

test('entries that replace some which are being written are handed out to be written in their turn', () => {
  const { log, events } = logWith([1], [1, 1, 1]);
  log.unstable.acceptInProgress();
  expect(log.unstable.nextEntries()).toEqual([]);
  const newer = [entryOf(2, 3), entryOf(2, 4)];
  log.append(newer);
  expect(log.unstable.nextEntries()).toEqual(newer);
  expect(log.unstable.offset).toBe(2);
  expect(events).toEqual([{ kind: 'unstableTruncated', index: 3 }]);
});

test('an answer about the entry that a snapshot stands for makes nothing stable', () => {
  const { log, events } = logWith([1], [1, 1]);
  log.restore({ index: 5, term: 2, confState: voters(1) });
  log.append([entryOf(2, 6)]);
  log.unstable.stableTo(5, 2);
  expect({ entries: log.unstable.entries, offset: log.unstable.offset }).toEqual({
    entries: [entryOf(2, 6)],
    offset: 6,
  });
  expect(events.at(-1)).toEqual({ kind: 'stableEntryIsSnapshot', index: 5 });
});

test('bug 13: a node ignores the answer of a write that a newer term overtook', () => {
  const node = new TestNode(1, voters(1, 2, 3), { asyncStorageWrites: true });
  node.raw.step(append(1, 2));
  const first = node.raw.ready();
  node.raw.step(append(2, 3));
  const second = node.raw.ready();
  const old = first.messages.at(-1)?.responses?.at(-1);
  expect(old).toEqual(
    messageOf('MsgStorageAppendResp', old?.from ?? 0, 1, { term: 1, index: 1, logTerm: 1 }),
  );
  node.raw.step(old ?? messageOf('MsgHup', 0, 0));
  expect(node.happened('ignoredLowerTermAppend')).toHaveLength(1);
  // Still to be made durable: the write under way is the new one.
  expect(second.entries).toEqual([entryOf(2, 1)]);
  const responses = second.messages.at(-1)?.responses ?? [];
  expect(responses.map(({ type, to }) => [type, to])).toEqual([
    ['MsgAppResp', 3],
    ['MsgStorageAppendResp', 1],
  ]);
});

test('bug 14: with asynchronous writes an entry is applied only once it is in the own log', () => {
  const node = new TestNode(1, voters(1), { asyncStorageWrites: true });
  node.raw.campaign();
  const answers = (messages: ReturnType<typeof node.raw.ready>['messages']) =>
    messages.flatMap((message) => message.responses ?? []);
  for (const answer of answers(node.raw.ready().messages)) node.raw.step(answer);
  const leading = node.raw.ready();
  node.storage.append(leading.entries);
  expect(leading.committedEntries).toEqual([]);
  expect(node.raw.hasReady()).toBe(false);
  for (const answer of answers(leading.messages)) node.raw.step(answer);
  expect(node.raw.ready().committedEntries).toEqual([entryOf(1, 1)]);
});

test('entries are cut by their encoded size, across the stored and the unstable part', () => {
  const { log } = logWith([1, 1], [1, 1]);
  const size = 4;
  const indexes = (maxBytes: number) => {
    const found = log.entries(1, maxBytes);
    return found === 'compacted' ? found : found.map(({ index }) => index);
  };
  expect(indexes(0)).toEqual([1]);
  expect(indexes(2 * size)).toEqual([1, 2]);
  expect(indexes(2 * size + 1)).toEqual([1, 2]);
  expect(indexes(3 * size)).toEqual([1, 2, 3]);
  expect(indexes(NO_LIMIT)).toEqual([1, 2, 3, 4]);
});

test('what is compacted is told apart from what is not there yet', () => {
  const { log, storage } = logWith([1, 1, 2]);
  storage.compact(2);
  expect([log.term(1), log.term(2), log.term(3), log.term(4)]).toEqual([
    'compacted',
    1,
    2,
    'unavailable',
  ]);
  expect(log.entries(2, NO_LIMIT)).toBe('compacted');
});

test('no more is handed out to be applied than the limit allows at once', () => {
  const storage = new MemoryStorage();
  storage.append(logOf(1, 1, 1));
  const log = new RaftLog({ storage, trace: undefined }, 8);
  log.commitTo(3);
  const first = log.nextCommitted(true);
  expect(first).toEqual([entryOf(1, 1), entryOf(1, 2)]);
  log.acceptApplying(first, true);
  expect(log.hasNextCommitted(true)).toBe(false);
  log.appliedTo(2, 8);
  expect(log.nextCommitted(true)).toEqual([entryOf(1, 3)]);
});
