import { expect, test } from 'vitest';
import {
  ELECTION_TICKS,
  messageOf,
  nodeWithLog,
  RaftWorld,
  TestNode,
  voters,
} from '../../../support/raft-world.ts';

const quorumChecked = { checkQuorum: true, preVote: true };

test('a node without a leader starts an election after its timeout, in a new term', () => {
  const node = new TestNode(1, voters(1, 2, 3));
  node.tick(ELECTION_TICKS - 1);
  expect(node.drain()).toEqual([]);
  node.tick(1);
  expect(node.drain()).toEqual([
    messageOf('MsgVote', 1, 2, { term: 1 }),
    messageOf('MsgVote', 1, 3, { term: 1 }),
  ]);
  expect(node.storage.hardState).toEqual({ term: 1, vote: 1, commit: 0 });
});

test('a node alone elects itself once its own vote is durable', () => {
  const node = new TestNode(1, voters(1));
  node.raw.campaign();
  expect(node.raw.basicStatus().role).toBe('candidate');
  node.process();
  expect(node.raw.basicStatus()).toMatchObject({ role: 'leader', lead: 1 });
});

test('a candidate leads with a majority of the votes, steps back without one, and waits in between', () => {
  const outcomes = [
    { granted: [2, 3], refused: [], role: 'leader' },
    { granted: [2], refused: [3, 4], role: 'candidate' },
    { granted: [], refused: [2, 3, 4], role: 'follower' },
    { granted: [2], refused: [], role: 'candidate' },
  ];
  for (const { granted, refused, role } of outcomes) {
    const node = new TestNode(1, voters(1, 2, 3, 4, 5));
    node.raw.campaign();
    node.drain();
    for (const id of granted) node.step(messageOf('MsgVoteResp', id, 1, { term: 1 }));
    for (const id of refused) node.step(messageOf('MsgVoteResp', id, 1, { term: 1, reject: true }));
    expect(node.raw.basicStatus().role).toBe(role);
  }
});

const ask = (from: number, logTerm: number, index: number) =>
  messageOf('MsgVote', from, 1, { term: 3, logTerm, index });

test('a node votes once a term, and only for a log that holds at least its own', () => {
  const answers = [
    [ask(2, 2, 2), false],
    [ask(2, 2, 9), false],
    [ask(2, 3, 1), false],
    [ask(2, 1, 9), true],
    [ask(2, 2, 1), true],
  ] as const;
  for (const [request, reject] of answers) {
    const node = nodeWithLog(1, voters(1, 2, 3), { terms: [1, 2], term: 2 });
    expect(node.step(request)).toEqual([messageOf('MsgVoteResp', 1, 2, { term: 3, reject })]);
  }
  const node = nodeWithLog(1, voters(1, 2, 3), { terms: [1, 2], term: 2 });
  node.step(ask(2, 2, 2));
  const second = messageOf('MsgVoteResp', 1, 3, { term: 3, reject: true });
  expect(node.step(ask(3, 2, 2))).toEqual([second]);
  expect(node.step(ask(2, 2, 2))).toEqual([messageOf('MsgVoteResp', 1, 2, { term: 3 })]);
});

test('a message of a newer term makes a follower of everybody', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const leader = world.elect(1);
  leader.step(messageOf('MsgApp', 2, 1, { term: 5, index: 1, logTerm: 1 }));
  expect(leader.raw.basicStatus()).toMatchObject({ role: 'follower', lead: 2 });
  expect(leader.storage.hardState.term).toBe(5);
});

test('bug 4: a node with a committed conf change that is not applied does not campaign', () => {
  const log = { terms: [1], term: 1, types: ['confChangeV2' as const] };
  const node = nodeWithLog(1, voters(1, 2, 3), log);
  node.raw.step(messageOf('MsgHeartbeat', 2, 1, { term: 1, commit: 1 }));
  node.raw.campaign();
  expect(node.raw.basicStatus().role).toBe('follower');
  expect(node.happened('cannotCampaignWithUnappliedConfChange')).toHaveLength(1);
});

test('bug 5: a learner votes when asked: the candidate may know of its promotion first', () => {
  const node = new TestNode(2, { ...voters(1), learners: [2] });
  const answer = node.step(messageOf('MsgVote', 1, 2, { term: 2 }));
  expect(answer).toEqual([messageOf('MsgVoteResp', 2, 1, { term: 2 })]);
});

test('bug 8: a pre-vote of an old term is refused with the newer term, so the candidate catches up', () => {
  const node = nodeWithLog(1, voters(1, 2, 3), { terms: [1], term: 7 }, quorumChecked);
  const answer = node.step(messageOf('MsgPreVote', 2, 1, { term: 3, logTerm: 1, index: 1 }));
  expect(answer).toEqual([messageOf('MsgPreVoteResp', 1, 2, { term: 7, reject: true })]);
  const behind = nodeWithLog(2, voters(1, 2, 3), { terms: [1], term: 2 }, quorumChecked);
  behind.raw.campaign();
  behind.drain();
  behind.step(answer[0] ?? messageOf('MsgHup', 0, 0));
  expect(behind.raw.basicStatus()).toMatchObject({ role: 'follower', hardState: { term: 7 } });
});

test('bug 8: an old leader or one left behind learns the newer term from the answer to its append', () => {
  for (const type of ['MsgApp', 'MsgHeartbeat'] as const) {
    const node = nodeWithLog(1, voters(1, 2, 3), { terms: [1], term: 4 }, quorumChecked);
    expect(node.step(messageOf(type, 2, 1, { term: 3 }))).toEqual([
      messageOf('MsgAppResp', 1, 2, { term: 4 }),
    ]);
  }
});

test('a pre-vote changes neither term nor vote of anybody', () => {
  const world = new RaftWorld(voters(1, 2, 3), { preVote: true });
  world.isLost = ({ type }) => type === 'MsgPreVoteResp';
  world.elect(1);
  expect(world.roles()).toEqual({ 1: 'preCandidate', 2: 'follower', 3: 'follower' });
  const states = [...world.nodes.values()].map(({ raw }) => raw.basicStatus().hardState);
  expect(states).toEqual(Array.from({ length: 3 }, () => ({ term: 0, vote: 0, commit: 0 })));
});

test('bug 9: a member that was cut off does not disrupt the leader when it comes back', () => {
  const world = new RaftWorld(voters(1, 2, 3), quorumChecked);
  world.elect(1);
  world.cut(3);
  world.tick(3, 5 * ELECTION_TICKS);
  world.heal();
  world.tick(1);
  world.tick(3, ELECTION_TICKS);
  world.tick(1);
  expect(world.roles()).toEqual({ 1: 'leader', 2: 'follower', 3: 'follower' });
  expect(world.node(1).storage.hardState.term).toBe(1);
});

test('bug 9: vote requests are left unanswered while the own leader is heard of', () => {
  const world = new RaftWorld(voters(1, 2, 3), { checkQuorum: true });
  world.elect(1);
  world.isLost = ({ from, to }) => from === 1 && to === 3;
  world.tick(3, ELECTION_TICKS);
  expect(world.roles()).toMatchObject({ 1: 'leader', 2: 'follower' });
  expect(world.node(2).happened('voteIgnoredInLease')).toHaveLength(1);
  expect(world.node(2).storage.hardState.term).toBe(1);
});

test('a leader that hears of no quorum for an election timeout steps down', () => {
  const world = new RaftWorld(voters(1, 2, 3), { checkQuorum: true });
  world.elect(1);
  world.tick(1, ELECTION_TICKS);
  expect(world.roles()[1]).toBe('leader');
  world.cut(1);
  world.tick(1, 2 * ELECTION_TICKS);
  expect(world.roles()[1]).toBe('follower');
  expect(world.node(1).happened('steppedDownWithoutQuorum')).toHaveLength(1);
});

test('bug 10: a vote is answered only together with the hard state that remembers it', () => {
  const node = new TestNode(1, voters(1, 2, 3), { asyncStorageWrites: true });
  node.raw.step(messageOf('MsgVote', 2, 1, { term: 4 }));
  const { messages, mustSync } = node.raw.ready();
  expect(mustSync).toBe(true);
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatchObject({ type: 'MsgStorageAppend', term: 4, vote: 2 });
  expect(messages[0]?.responses).toEqual([messageOf('MsgVoteResp', 1, 2, { term: 4 })]);
});

test('bug 26: neither a learner nor a stranger to the configuration ever campaigns', () => {
  const learner = new TestNode(2, { ...voters(1), learners: [2] });
  const stranger = new TestNode(9, voters(1, 2, 3));
  for (const node of [learner, stranger]) {
    node.tick(5 * ELECTION_TICKS);
    node.raw.campaign();
    node.step(messageOf('MsgTimeoutNow', 1, node.raw.basicStatus().id));
    expect(node.raw.basicStatus()).toMatchObject({ role: 'follower', hardState: { term: 0 } });
  }
});

test('a follower that forgets its leader keeps its term and grants the next pre-vote', () => {
  const world = new RaftWorld(voters(1, 2, 3), quorumChecked);
  world.elect(1);
  world.cut(1);
  world.node(2).raw.forgetLeader();
  world.elect(3);
  expect(world.roles()[3]).toBe('leader');
});

test('a message only the node itself may send, and answers of strangers, are refused', () => {
  const node = new TestNode(1, voters(1, 2, 3));
  expect(node.raw.step(messageOf('MsgHup', 2, 1))).toBe('localMessage');
  expect(node.raw.step(messageOf('MsgStorageApplyResp', 2, 1))).toBe('localMessage');
  expect(node.raw.step(messageOf('MsgAppResp', 8, 1))).toBe('peerNotFound');
  expect(node.raw.hasReady()).toBe(false);
});
