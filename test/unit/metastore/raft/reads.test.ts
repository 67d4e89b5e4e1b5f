import { expect, test } from 'vitest';
import type { Message } from '../../../../src/metastore/raft/messages.ts';
import { messageOf, RaftWorld, TestNode, voters } from '../../../support/raft-world.ts';

const context = Uint8Array.of(7);

test('a read is answered with the commit index once a quorum confirms the leader', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.propose(1, 'a');
  leader.raw.readIndex(context);
  expect(leader.reads).toEqual([]);
  world.settle();
  expect(leader.reads).toEqual([{ index: 2, context }]);
});

test('a follower asks its leader', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  world.elect(1);
  world.node(3).raw.readIndex(context);
  world.settle();
  expect(world.node(3).reads).toEqual([{ index: 1, context }]);
  expect(world.node(1).reads).toEqual([]);
});

test('a leader that a quorum no longer hears answers no read', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.cut(1);
  leader.raw.readIndex(context);
  world.settle();
  world.elect(2);
  world.propose(2, 'newer');
  world.heal();
  world.tick(2);
  expect(leader.reads).toEqual([]);
});

test('bug 16: no read is answered before an entry of the own term is committed', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  world.elect(1);
  world.propose(1, 'a');
  world.isLost = ({ type }) => type === 'MsgAppResp';
  const next = world.elect(2);
  next.raw.readIndex(context);
  world.tick(2, 3);
  expect(next.reads).toEqual([]);
  world.heal();
  world.tick(2);
  world.settle();
  expect(next.reads).toEqual([{ index: 3, context }]);
});

test('bug 16: an answer to an earlier round does not confirm a later read', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  const held: Message[] = [];
  world.isLost = (message) => message.type === 'MsgHeartbeatResp' && held.push(message) > 0;
  leader.raw.readIndex(context);
  world.settle();
  world.propose(1, 'a');
  // The same context again: the round counts, not what the client named it.
  leader.raw.readIndex(context);
  world.isLost = ({ type }) => type === 'MsgHeartbeatResp';
  world.settle();
  const [early] = held;
  leader.raw.step(early ?? messageOf('MsgHup', 0, 0));
  world.settle();
  expect(leader.reads).toEqual([{ index: 1, context }]);
});

test('bug 16: reads of a lost leadership are forgotten, whatever is answered to them', () => {
  const leader = new TestNode(1, voters(1, 2, 3));
  leader.raw.campaign();
  leader.drain();
  leader.step(messageOf('MsgVoteResp', 2, 1, { term: 1 }));
  leader.step(messageOf('MsgAppResp', 2, 1, { term: 1, index: 1 }));
  leader.raw.readIndex(context);
  const [beat] = leader.drain();
  leader.step(messageOf('MsgApp', 3, 1, { term: 2, index: 1, logTerm: 1 }));
  const answer = { term: 1, context: beat?.context };
  leader.step(messageOf('MsgHeartbeatResp', 2, 1, answer));
  expect(leader.reads).toEqual([]);
});

test('a node alone answers at once', () => {
  const node = new TestNode(1, voters(1));
  node.raw.campaign();
  node.drain();
  node.raw.readIndex(context);
  node.drain();
  expect(node.reads).toEqual([{ index: 1, context }]);
});

test('an answer that claims a round which was never sent confirms nothing', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  world.cut(1);
  leader.raw.readIndex(context);
  world.settle();
  for (const claimed of [Uint8Array.of(1), new Uint8Array(8).fill(255)]) {
    leader.step(messageOf('MsgHeartbeatResp', 2, 1, { term: 1, context: claimed }));
  }
  expect(leader.reads).toEqual([]);
});
