import { expect, test } from 'vitest';
import { ELECTION_TICKS, messageOf, RaftWorld, voters } from '../../../support/raft-world.ts';

const settings = { checkQuorum: true, preVote: true };

function led(): RaftWorld {
  const world = new RaftWorld({ ...voters(1, 2, 3), learners: [4] }, settings);
  world.elect(1);
  return world;
}

function transfer(world: RaftWorld, to: number): void {
  world.node(1).raw.transferLeader(to);
  world.settle();
}

test('bug 25: leadership goes to a follower that has everything, against everybody’s lease', () => {
  const world = led();
  transfer(world, 3);
  expect(world.roles()).toMatchObject({ 1: 'follower', 2: 'follower', 3: 'leader' });
  expect(world.propose(3, 'next')).toBeUndefined();
  expect(world.node(1).applied).toEqual(['next']);
});

test('bug 25: a follower that is behind is brought up to date first', () => {
  const world = led();
  world.cut(3);
  world.propose(1, 'a');
  world.heal();
  transfer(world, 3);
  expect(world.roles()[3]).toBe('leader');
  expect(world.node(3).applied).toEqual(['a']);
});

test('a follower asked for a transfer passes it on to the leader', () => {
  const world = led();
  world.node(2).raw.transferLeader(3);
  world.settle();
  expect(world.roles()[3]).toBe('leader');
});

test('bug 25: no proposal is taken during a transfer, and all are again when it is given up', () => {
  const world = led();
  world.cut(3);
  transfer(world, 3);
  expect(world.node(1).raw.basicStatus().transferee).toBe(3);
  expect(world.propose(1, 'during')).toBe('proposalDropped');
  world.tick(1, ELECTION_TICKS);
  expect(world.node(1).raw.basicStatus()).toMatchObject({ role: 'leader', transferee: 0 });
  expect(world.propose(1, 'after')).toBeUndefined();
  expect(world.node(2).applied).toEqual(['after']);
});

test('bug 25: a transfer to oneself, a learner or a stranger changes nothing', () => {
  const world = led();
  for (const to of [1, 4, 9]) transfer(world, to);
  expect(world.node(1).raw.basicStatus()).toMatchObject({ role: 'leader', transferee: 0 });
  expect(
    world
      .node(1)
      .events.slice(-3)
      .map(({ kind }) => kind),
  ).toEqual(['transferIgnoredToSelf', 'transferIgnoredToLearner', 'noProgress']);
});

test('bug 25: a second transfer replaces the first, and the same one is not started twice', () => {
  const world = led();
  world.cut(2, 3);
  transfer(world, 3);
  transfer(world, 3);
  transfer(world, 2);
  expect(world.node(1).raw.basicStatus().transferee).toBe(2);
  const kinds = world.node(1).events.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind.startsWith('transfer'))).toEqual([
    'transferStarted',
    'transferTimeoutNowAtOnce',
    'transferAlreadyInProgress',
    'transferAborted',
    'transferStarted',
    'transferTimeoutNowAtOnce',
  ]);
});

test('bug 25: a transferee that is removed ends the transfer', () => {
  const world = led();
  world.isLost = ({ type }) => type === 'MsgTimeoutNow';
  const change = { version: 1, type: 'removeNode', nodeId: 3 } as const;
  world.node(1).raw.proposeConfChange(change);
  transfer(world, 3);
  expect(world.node(1).raw.basicStatus()).toMatchObject({ role: 'leader', transferee: 0 });
});

test('bug 25: a candidate does not start over when it is told to take over', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  world.isLost = () => true;
  const candidate = world.elect(1);
  candidate.step(messageOf('MsgTimeoutNow', 2, 1, { term: 1 }));
  expect(candidate.raw.basicStatus()).toMatchObject({ role: 'candidate', hardState: { term: 1 } });
});
