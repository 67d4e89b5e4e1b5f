import { expect, test } from 'vitest';
import type { ConfChange } from '../../../../src/metastore/raft/conf-change.ts';
import type { Message } from '../../../../src/metastore/raft/messages.ts';
import {
  entryOf,
  messageOf,
  nodeWithLog,
  RaftWorld,
  TestNode,
  voters,
} from '../../../support/raft-world.ts';

const noOp = { version: 2, transition: 'auto' } as const;

function adding(...ids: readonly number[]): ConfChange {
  return { ...noOp, changes: ids.map((nodeId) => ({ type: 'addNode', nodeId })) };
}

function texts(world: RaftWorld): Record<number, readonly string[]> {
  return Object.fromEntries([...world.nodes].map(([id, { applied }]) => [id, applied]));
}

test('what a leader takes is applied by everybody, in order', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  world.elect(1);
  for (const text of ['a', 'b', 'c']) expect(world.propose(1, text)).toBeUndefined();
  const all = ['a', 'b', 'c'];
  expect(texts(world)).toEqual({ 1: all, 2: all, 3: all });
});

test('the same with asynchronous writes, whose answers come back late', () => {
  const node = new TestNode(1, voters(1), { asyncStorageWrites: true });
  node.raw.campaign();
  const work: Message[] = [];
  const run = () => {
    for (let round = 0; round < 20; round++) {
      const ready = node.raw.ready();
      node.write(ready);
      node.apply(ready.committedEntries);
      work.push(...ready.messages.flatMap((message) => message.responses ?? []));
      const answer = work.shift();
      if (answer !== undefined) node.raw.step(answer);
    }
  };
  run();
  expect(node.raw.proposeAll([Uint8Array.of(97), Uint8Array.of(98)])).toBeUndefined();
  expect(node.propose('c')).toBeUndefined();
  run();
  expect(node.applied).toEqual(['a', 'b', 'c']);
  expect(node.raw.basicStatus().applied).toBe(4);
});

test('proposals go where the leader is, or are dropped where none is known', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  expect(world.propose(2, 'early')).toBe('proposalDropped');
  world.elect(1);
  expect(world.propose(2, 'forwarded')).toBeUndefined();
  expect(world.node(3).applied).toEqual(['forwarded']);
  const strict = new RaftWorld(voters(1, 2, 3), { forwardsProposals: false });
  strict.elect(1);
  expect(strict.propose(2, 'not here')).toBe('proposalDropped');
});

test('a follower with a different end is overwritten with what the leader has', () => {
  const leader = nodeWithLog(1, voters(1, 2, 3), { terms: [1, 2], term: 2 });
  const follower = nodeWithLog(2, voters(1, 2, 3), { terms: [1, 1, 1, 1], term: 2 });
  const world = new RaftWorld(voters(3));
  world.nodes.clear();
  world.nodes.set(1, leader).set(2, follower);
  world.elect(1);
  expect(follower.storage.entries(1, 4, 1000)).toEqual([
    entryOf(1, 1),
    entryOf(2, 2),
    entryOf(3, 3),
  ]);
  expect(follower.raw.basicStatus()).toMatchObject({ lead: 1, applied: 3 });
});

test('bug 1: entries of older terms are committed only with one of the own term (figure 8)', () => {
  const leader = nodeWithLog(1, voters(1, 2, 3, 4, 5), { terms: [1, 2], term: 3 });
  leader.raw.campaign();
  leader.drain();
  for (const id of [2, 3]) leader.step(messageOf('MsgVoteResp', id, 1, { term: 4 }));
  for (const id of [2, 3]) leader.step(messageOf('MsgAppResp', id, 1, { term: 4, index: 2 }));
  expect(leader.raw.basicStatus().hardState.commit).toBe(0);
  for (const id of [2, 3]) leader.step(messageOf('MsgAppResp', id, 1, { term: 4, index: 3 }));
  expect(leader.raw.basicStatus().hardState.commit).toBe(3);
});

test('bug 2: a leader changes no configuration before what it found in its log is applied', () => {
  const leader = nodeWithLog(1, voters(1, 2, 3), { terms: [1, 1], term: 1 });
  leader.raw.campaign();
  leader.drain();
  leader.step(messageOf('MsgVoteResp', 2, 1, { term: 2 }));
  leader.raw.proposeConfChange(adding(4));
  leader.drain();
  expect(leader.happened('ignoredConfChange')).toMatchObject([
    { objection: { kind: 'possiblyUnapplied', pendingIndex: 2, appliedIndex: 0 } },
  ]);
  leader.step(messageOf('MsgAppResp', 2, 1, { term: 2, index: 4 }));
  leader.raw.proposeConfChange(adding(4));
  leader.drain();
  leader.step(messageOf('MsgAppResp', 2, 1, { term: 2, index: 5 }));
  expect(leader.config).toEqual(voters(1, 2, 3, 4));
});

test('bug 3: a second conf change is refused while one is not applied, and stays as nothing', () => {
  const leader = new TestNode(1, voters(1));
  leader.raw.campaign();
  leader.drain();
  leader.raw.proposeConfChange(adding(2));
  leader.raw.proposeConfChange(adding(3));
  expect(leader.happened('ignoredConfChange')).toHaveLength(1);
  const { entries } = leader.raw.ready();
  expect(entries.map(({ type }) => type)).toEqual(['confChangeV2', 'normal']);
});

test('joint: the leader enters, decides with both halves, and leaves by itself', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  const seen: unknown[] = [];
  const apply = leader.raw.applyConfChange.bind(leader.raw);
  leader.raw.applyConfChange = (change) => {
    const config = apply(change);
    seen.push(config);
    return config;
  };
  world.add(4);
  world.change(1, {
    ...noOp,
    changes: [
      { type: 'addNode', nodeId: 4 },
      { type: 'removeNode', nodeId: 3 },
    ],
  });
  const joint = { voters: [1, 2, 4], learners: [], votersOutgoing: [1, 2, 3], learnersNext: [] };
  expect(seen).toEqual([{ ...joint, autoLeave: true }, voters(1, 2, 4)]);
  expect(leader.raw.status().config).toEqual(voters(1, 2, 4));
});

test('joint: nothing but leaving is taken, and it is left by an empty change', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  const changes = [{ type: 'addNode', nodeId: 3 } as const];
  world.change(1, { version: 2, transition: 'jointExplicit', changes });
  expect(leader.config.votersOutgoing).toEqual([1, 2, 3]);
  world.change(1, adding(4));
  expect(leader.happened('ignoredConfChange')).toMatchObject([
    { objection: { kind: 'mustLeaveJointFirst' } },
  ]);
  world.change(1, undefined);
  expect(leader.config).toEqual(voters(1, 2, 3));
  world.change(1, undefined);
  expect(leader.happened('ignoredConfChange').at(-1)).toMatchObject({
    objection: { kind: 'notJoint' },
  });
});

test('bug 7: a configuration that is not committed has no force and can be overwritten', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const old = world.elect(1);
  world.cut(1);
  world.change(1, adding(4));
  expect(old.raw.status().config).toEqual(voters(1, 2, 3));
  world.elect(2);
  world.heal();
  world.tick(2);
  expect(old.raw.basicStatus()).toMatchObject({ role: 'follower', lead: 2 });
  expect(old.config).toEqual(voters(1, 2, 3));
  expect(old.storage.term(3)).toBe('unavailable');
});

test('a leader that is removed steps down once that is applied', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.change(1, { ...noOp, changes: [{ type: 'removeNode', nodeId: 1 }] });
  expect(leader.raw.basicStatus().role).toBe('follower');
  world.elect(2);
  expect(world.node(2).raw.status().config).toEqual(voters(2, 3));
  expect(world.propose(2, 'goes on')).toBeUndefined();
  expect(world.node(3).applied).toEqual(['goes on']);
});

test('bug 19: a follower that the leader probes is found again by its answer to a heartbeat', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  leader.raw.reportUnreachable(2);
  world.isLost = ({ type }) => type === 'MsgApp';
  world.propose(1, 'lost');
  expect(leader.raw.status().progress.get(2)).toMatchObject({ state: 'probe', isPaused: true });
  world.heal();
  world.tick(1);
  expect(leader.raw.status().progress.get(2)).toMatchObject({ state: 'replicate', match: 2 });
  expect(world.node(2).applied).toEqual(['lost']);
});

test('bug 19: a quiet follower is told the commit index when its acknowledgement comes late', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  leader.raw.reportUnreachable(3);
  const held: Message[] = [];
  world.isLost = (message) =>
    message.type === 'MsgApp' && message.to === 3 && held.push(message) > 0;
  world.propose(1, 'x');
  expect(world.node(2).applied).toEqual(['x']);
  world.heal();
  for (const message of held) world.node(3).raw.step(message);
  world.settle();
  expect(world.node(3).applied).toEqual(['x']);
});

test('bug 20: a follower gets no more than the window holds, and more with every answer', () => {
  const world = new RaftWorld(voters(1, 2), { maxInflightMessages: 2, maxMessageBytes: 0 });
  const leader = world.elect(1);
  const sent: Message[] = [];
  world.isLost = (message) => sent.push(message) > 0;
  for (const text of ['a', 'b', 'c', 'd']) world.propose(1, text);
  const appended = () => sent.filter(({ entries }) => entries.length > 0).length;
  expect(appended()).toBe(2);
  expect(leader.raw.status().progress.get(2)).toMatchObject({
    isPaused: true,
    inflightMessages: 2,
  });
  leader.raw.step(messageOf('MsgAppResp', 2, 1, { term: 1, index: 2 }));
  world.settle();
  expect(appended()).toBe(3);
});

test('bug 20: what is not applied yet is bounded; an empty log takes even one large proposal', () => {
  const leader = new TestNode(1, voters(1, 2), { maxUncommittedBytes: 10 });
  leader.raw.campaign();
  leader.drain();
  leader.step(messageOf('MsgVoteResp', 2, 1, { term: 1 }));
  expect(leader.propose('larger than ten bytes')).toBeUndefined();
  expect(leader.propose('b')).toBe('proposalDropped');
  leader.drain();
  leader.step(messageOf('MsgAppResp', 2, 1, { term: 1, index: 2 }));
  expect(leader.propose('b')).toBeUndefined();
  expect(leader.happened('droppedProposalOverLimit')).toHaveLength(1);
});

test('the commit index of a heartbeat never names what the follower may lack', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.cut(3);
  world.propose(1, 'a');
  leader.tick(1);
  const beats = leader.drain().filter(({ type }) => type === 'MsgHeartbeat');
  expect(beats.map(({ to, commit }) => [to, commit])).toEqual([
    [2, 2],
    [3, 1],
  ]);
});
