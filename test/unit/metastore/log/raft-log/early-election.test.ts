import { expect, test } from 'vitest';
import type { RaftLog } from '../../../../../src/metastore/log/raft-log/raft-log.ts';
import { RaftGroup, turns } from '../../../../support/raft-group.ts';

const NEVER = new AbortController().signal;

async function withGroup(size: number, use: (group: RaftGroup) => Promise<void>): Promise<void> {
  const group = new RaftGroup(size);
  try {
    await group.openAll();
    await group.lead();
    await use(group);
  } finally {
    await group.stopAll();
  }
}

function leaderAmong(group: RaftGroup, ids: readonly number[]): RaftLog | undefined {
  return ids.map((id) => group.logOf(id)).find((log) => log.status().role === 'leader');
}

test('a leader whose connections break is followed within a few ticks, without an election timeout', async () => {
  await withGroup(5, async (group) => {
    const gone = group.leader()!.id;
    const others = group.members.map(({ id }) => id).filter((id) => id !== gone);
    await group.crash(gone);
    group.network.disconnect(gone);
    // One more than the first one's turn: the message that somebody leads has to arrive.
    for (let tick = 0; tick < 2; tick += 1) await group.tick();
    const log = leaderAmong(group, others);
    expect(log?.status().role).toBe('leader');
    await log!.propose(new Uint8Array(1), NEVER);
  });
});

test('a leader that only lost its connections for a moment leads on', async () => {
  await withGroup(3, async (group) => {
    const { id } = group.leader()!;
    const { term } = group.logOf(id).status();
    group.network.disconnect(id);
    for (let tick = 0; tick < 15; tick += 1) await group.tick();
    expect(group.logOf(id).status()).toMatchObject({ role: 'leader', term });
  });
});

test('one follower alone in the belief that its leader is gone disturbs nobody', async () => {
  await withGroup(3, async (group) => {
    const { id } = group.leader()!;
    const { term } = group.logOf(id).status();
    const cut = group.members.map((member) => member.id).find((other) => other !== id)!;
    group.network.passes = (from, to) => !(from === id && to === cut);
    group.network.disconnect(id, [cut]);
    for (let tick = 0; tick < 40; tick += 1) await group.tick();
    expect(group.logOf(id).status()).toMatchObject({ role: 'leader', term });
    group.network.passes = () => true;
    for (let tick = 0; tick < 5; tick += 1) await group.tick();
    await turns(5);
    expect(group.logOf(cut).status()).toMatchObject({ role: 'follower', term });
  });
});
