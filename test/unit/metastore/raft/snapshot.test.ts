import { expect, test } from 'vitest';
import type { ConfState, Message } from '../../../../src/metastore/raft/messages.ts';
import {
  entryOf,
  messageOf,
  nodeWithLog,
  RaftWorld,
  TestNode,
  voters,
} from '../../../support/raft-world.ts';

function snapshotOf(index: number, term: number, confState: ConfState) {
  return { index, term, confState };
}

/** A leader whose log starts behind what node 3 needs, with node 3 cut off. */
function worldWithCompactedLog(): RaftWorld {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.cut(3);
  for (const text of ['a', 'b', 'c']) world.propose(1, text);
  leader.storage.createSnapshot(4, leader.config, Uint8Array.of(1));
  leader.storage.compact(4);
  world.propose(1, 'd');
  world.heal();
  return world;
}

test('a follower that is too far behind gets the snapshot and then the rest', () => {
  const world = worldWithCompactedLog();
  world.tick(1);
  const follower = world.node(3);
  expect(follower.storage.snapshotIndex()).toBe(4);
  expect(follower.applied).toEqual(['d']);
  expect(world.node(1).raw.status().progress.get(3)).toMatchObject({
    state: 'replicate',
    match: 5,
  });
});

test('bug 21: nothing is sent while a snapshot is on its way, and a lost one is sent anew', () => {
  const world = worldWithCompactedLog();
  const leader = world.node(1);
  const sent: Message[] = [];
  world.isLost = (message) => message.type === 'MsgSnap' && sent.push(message) > 0;
  world.tick(1);
  world.propose(1, 'e');
  world.tick(1);
  expect(sent).toHaveLength(1);
  leader.raw.reportSnapshot(3, 'failed');
  world.heal();
  world.tick(1, 2);
  expect(leader.raw.status().progress.get(3)).toMatchObject({ state: 'replicate', match: 6 });
});

test('bug 21: a follower whose log reaches the first index leaves the snapshot state unreported', () => {
  const world = worldWithCompactedLog();
  const leader = world.node(1);
  world.isLost = ({ type }) => type === 'MsgSnap';
  world.tick(1);
  expect(leader.raw.status().progress.get(3)).toMatchObject({ state: 'snapshot' });
  // Another copy of the snapshot came by some other way.
  leader.raw.step(messageOf('MsgAppResp', 3, 1, { term: 1, index: 4 }));
  expect(leader.happened('snapshotNoLongerNeeded')).toHaveLength(1);
  expect(leader.raw.status().progress.get(3)).toMatchObject({ state: 'replicate', match: 4 });
});

test('no snapshot is sent to a follower that was not heard of, nor one that is not ready', () => {
  const world = worldWithCompactedLog();
  const leader = world.node(1);
  leader.storage.isSnapshotAvailable = false;
  world.tick(1);
  expect(leader.happened('snapshotUnavailable')).not.toEqual([]);
  expect(world.node(3).storage.snapshotIndex()).toBe(0);
});

test('bug 21: a snapshot that is not ahead of the commit index is ignored', () => {
  const follower = nodeWithLog(2, voters(1, 2, 3), { terms: [1, 1, 1], term: 1 });
  follower.step(messageOf('MsgHeartbeat', 1, 2, { term: 1, commit: 3 }));
  const snapshot = snapshotOf(2, 1, voters(1, 2));
  const answer = follower.step(messageOf('MsgSnap', 1, 2, { term: 1, snapshot }));
  expect(answer).toEqual([messageOf('MsgAppResp', 2, 1, { term: 1, index: 3 })]);
  expect(follower.storage.lastIndex()).toBe(3);
  expect(follower.happened('snapshotIgnored')).toHaveLength(1);
});

test('bug 21: a snapshot whose last entry is in the log only commits it, and keeps what follows', () => {
  const follower = nodeWithLog(2, voters(1, 2, 3), { terms: [1, 1, 1], term: 1 });
  const snapshot = snapshotOf(2, 1, voters(1, 2, 3));
  follower.step(messageOf('MsgSnap', 1, 2, { term: 1, snapshot }));
  expect(follower.raw.basicStatus().hardState.commit).toBe(2);
  expect(follower.storage.entries(3, 4, 100)).toEqual([entryOf(1, 3)]);
});

test('a snapshot replaces a log that ends before it, and the configuration', () => {
  const follower = nodeWithLog(2, voters(1, 2, 3), { terms: [1], term: 1 });
  const confState = { ...voters(1, 2), learners: [5] };
  const message = messageOf('MsgSnap', 1, 2, { term: 2, snapshot: snapshotOf(9, 2, confState) });
  expect(follower.step(message)).toEqual([messageOf('MsgAppResp', 2, 1, { term: 2, index: 9 })]);
  expect(follower.raw.status()).toMatchObject({ config: confState, applied: 9 });
  expect(follower.storage.hardState).toEqual({ term: 2, vote: 0, commit: 9 });
  expect(follower.storage.firstIndex()).toBe(10);
});

test('a snapshot for a group without this node is ignored', () => {
  const follower = new TestNode(2, voters(1, 2, 3));
  const snapshot = snapshotOf(9, 2, voters(1, 3));
  follower.step(messageOf('MsgSnap', 1, 2, { term: 2, snapshot }));
  expect(follower.happened('snapshotWithoutThisNode')).toHaveLength(1);
  expect(follower.storage.lastIndex()).toBe(0);
});

test('bug 6: a voter takes the snapshot that made it a learner', () => {
  const follower = new TestNode(3, voters(1, 2, 3));
  const confState = { ...voters(1, 2), learners: [3] };
  const snapshot = snapshotOf(9, 2, confState);
  follower.step(messageOf('MsgSnap', 1, 3, { term: 2, snapshot }));
  expect(follower.raw.status()).toMatchObject({ config: confState, applied: 9 });
  follower.raw.campaign();
  expect(follower.raw.basicStatus().role).toBe('follower');
});

test('a node does not campaign while a snapshot is being written', () => {
  const node = new TestNode(2, voters(1, 2, 3), { asyncStorageWrites: true });
  const snapshot = snapshotOf(9, 2, voters(1, 2, 3));
  node.raw.step(messageOf('MsgSnap', 1, 2, { term: 2, snapshot }));
  const [append] = node.raw.ready().messages;
  node.raw.campaign();
  expect(node.raw.basicStatus()).toMatchObject({ role: 'follower', applied: 0 });
  node.storage.applySnapshot(snapshot);
  for (const { to, ...answer } of append?.responses ?? []) {
    if (to === 2) node.raw.step({ ...answer, to });
  }
  expect(node.raw.basicStatus().applied).toBe(9);
  node.raw.campaign();
  expect(node.raw.basicStatus().role).toBe('candidate');
});
