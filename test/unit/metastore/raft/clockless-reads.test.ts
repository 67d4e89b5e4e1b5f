// What a leader does whose clock stands still while the others go on: it counts on no lease.
import { expect, test } from 'vitest';
import { RaftWorld, voters } from '../../../support/raft-world.ts';

const before = Uint8Array.of(1);
const after = Uint8Array.of(2);

test('bug 17: a leader whose clock stands still answers no read alone, however fresh its last round was', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  const paused = world.elect(1);
  paused.raw.readIndex(before);
  world.settle();
  world.cut(1);
  world.elect(2);
  world.propose(2, 'newer');
  // Not one tick passed for it: it believes to lead, and was confirmed a moment ago.
  expect(paused.raw.basicStatus().role).toBe('leader');
  paused.raw.readIndex(after);
  world.settle();
  expect(paused.reads).toEqual([{ index: 1, context: before }]);
  world.heal();
  world.tick(2);
  expect(paused.reads).toEqual([{ index: 1, context: before }]);
});

test('bug 17: after a transfer the old leader answers no read alone', () => {
  const world = new RaftWorld(voters(1, 2, 3), { checkQuorum: true, preVote: true });
  const old = world.elect(1);
  world.isLost = ({ to }) => to === 1;
  old.raw.transferLeader(3);
  world.settle();
  expect(world.roles()).toMatchObject({ 1: 'leader', 3: 'leader' });
  world.propose(3, 'newer');
  old.raw.readIndex(after);
  world.settle();
  expect(old.reads).toEqual([]);
  world.heal();
  world.tick(3);
  expect([old.reads, old.applied]).toEqual([[], ['newer']]);
});

test('bug 18: what a paused leader proposes after its successor is never committed', () => {
  const world = new RaftWorld(voters(1, 2, 3));
  world.elect(1);
  world.cut(1);
  world.elect(2);
  world.propose(2, 'renewed');
  world.propose(1, 'expired');
  world.heal();
  world.tick(1, 3);
  world.tick(2, 3);
  const applied = [1, 2, 3].map((id) => world.node(id).applied);
  expect(applied).toEqual([['renewed'], ['renewed'], ['renewed']]);
});
