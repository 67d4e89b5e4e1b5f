// A group of three on memory disks and a memory network: what one member alone cannot show.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { hasCode } from '../../../../../src/base/errors.ts';
import { membersOf } from '../../../../../src/metastore/log/raft-log/membership.ts';
import type { RaftLog } from '../../../../../src/metastore/log/raft-log/raft-log.ts';
import {
  type CommittedItem,
  isSnapshot,
  type LogIndex,
  type Snapshot,
  type SnapshotToInstall,
} from '../../../../../src/metastore/log/replicated-log.ts';
import { addressOf, RaftGroup, turns } from '../../../../support/raft-group.ts';

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

async function withGroup(group: RaftGroup, use: (leader: RaftLog) => Promise<void>): Promise<void> {
  try {
    for (const { id } of group.members) if (group.isVoter(id)) await group.open(id);
    await use(await group.lead());
  } finally {
    await group.stopAll();
  }
}

async function proposeAll(log: RaftLog, texts: readonly string[]): Promise<LogIndex> {
  const indexes = await Promise.all(texts.map((text) => log.propose(encode(text), NEVER)));
  return indexes.reduce((left, right) => (left > right ? left : right));
}

/** Commands as the member hands them out, until `last`. */
async function commandsOf(log: RaftLog, last: LogIndex, after = 0n): Promise<string[]> {
  const seen: string[] = [];
  for await (const item of log.committed(after)) {
    if (isSnapshot(item)) continue;
    seen.push(...item.filter(({ index }) => index <= last).map(({ command }) => decode(command)));
    if ((item.at(-1)?.index ?? 0n) >= last) break;
  }
  return seen.filter((text) => text !== '');
}

/** A state machine that is only its name: `state as of N`. */
function snapshotsOf(log: RaftLog): { take(): Promise<Snapshot> } {
  return {
    take: async () => {
      const { committed, term } = log.status();
      return await Promise.resolve({
        index: committed,
        term,
        content: () => chunks([`state as of ${committed}`]),
        close: () => Promise.resolve(),
      });
    },
  };
}

async function* chunks(texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield encode(text);
  }
}

async function nextSnapshot(reader: AsyncIterator<CommittedItem>): Promise<SnapshotToInstall> {
  while (true) {
    const { value, done } = await reader.next();
    if (done === true) throw new Error('no snapshot came');
    if (isSnapshot(value)) return value;
  }
}

const numbered = (count: number, what = 'command'): string[] =>
  Array.from({ length: count }, (_, at) => `${what} ${at}`);

const others = (group: RaftGroup): number[] =>
  group.members.map(({ id }) => id).filter((id) => id !== group.leader()?.id);

test('what a majority has is committed and handed out by every member, in one order', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (leader) => {
    const last = await proposeAll(leader, numbered(50));
    const all = await Promise.all(group.members.map(({ log }) => commandsOf(log!, last)));
    expect(all).toEqual([numbered(50), numbered(50), numbered(50)]);
  });
});

test('a follower takes nothing and names the leader', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async () => {
    const leader = group.leader()!.id;
    const follower = group.logOf(others(group)[0]!);
    await expect(follower.propose(encode('x'), NEVER)).rejects.toMatchObject({
      code: 'NOT_LEADER',
      details: { leader: addressOf(leader) },
    });
    expect(follower.status()).toMatchObject({ role: 'follower', leader: addressOf(leader) });
  });
});

test('a follower answers a read barrier with what the leader had committed', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (leader) => {
    const last = await proposeAll(leader, numbered(3));
    const follower = group.logOf(others(group)[0]!);
    expect(await follower.readBarrier(NEVER)).toBeGreaterThanOrEqual(last);
  });
});

test('killed leaders lose nothing that was acknowledged, and the group goes on', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      const leader = await group.lead();
      const { id } = group.leader()!;
      const proposals = numbered(20, `round ${round} command`).map(async (text) => {
        await leader.propose(encode(text), NEVER);
        acknowledged.push(text);
      });
      await Promise.race(proposals);
      await group.crash(id);
      await Promise.allSettled(proposals);
      await group.until(() => group.leader());
      await group.open(id);
    }
    const leader = await group.lead();
    const commands = await commandsOf(leader, await leader.readBarrier(NEVER));
    expect(commands).toEqual(expect.arrayContaining(acknowledged));
    expect(new Set(commands).size).toBe(commands.length);
    expect(acknowledged.length).toBeGreaterThanOrEqual(4);
  });
});

test('a leader that is cut off commits nothing: its commands end as unknown, and it serves no reads', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (old) => {
    const { id } = group.leader()!;
    group.network.passes = (from, to) => from !== id && to !== id;
    const lost = old.propose(encode('lost'), NEVER).catch((error: unknown) => error);
    const stale = old.readBarrier(NEVER).catch((error: unknown) => error);
    const young = await group.until(() =>
      group.members.find((each) => each.id !== id && each.log?.status().role === 'leader'),
    );
    await group.until(() => (old.status().role === 'leader' ? undefined : true));
    expect(hasCode(await lost, 'OUTCOME_UNKNOWN')).toBe(true);
    expect(hasCode(await stale, 'NOT_LEADER')).toBe(true);
    const last = await proposeAll(young.log!, ['kept']);
    group.network.passes = () => true;
    await group.until(() => (old.status().committed >= last ? true : undefined));
    expect(await commandsOf(old, last)).toEqual(['kept']);
  });
});

test('a leader sends its entries before its own disk has them, and counts itself only afterwards (B.8 row 11)', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (leader) => {
    const { id, disk } = group.leader()!;
    const last = leader.status().committed;
    // The leader's disk hangs, and one follower is away: nobody but the other follower can count.
    const [near, away] = others(group);
    await group.crash(away!);
    const hanging = new AbortController();
    disk.schedule = () => once(hanging.signal, 'abort').then(() => undefined);
    const waiting = leader.propose(encode('x'), NEVER).catch(() => 'not committed');
    await group.tick();
    const { log } = group.member(near!);
    expect(log!.status().committed).toBe(last);
    expect(leader.status().committed).toBe(last);
    // It did reach the follower's log.
    const crashing = group.crash(id);
    disk.schedule = () => Promise.resolve();
    hanging.abort();
    await crashing;
    expect(await waiting).toBe('not committed');
    await group.open(away!);
    const next = await group.lead();
    expect(await commandsOf(next, await next.readBarrier(NEVER))).toEqual(['x']);
    await group.open(id);
  });
});

test('a member that was away catches up from the files of the leader', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (leader) => {
    const [away] = others(group);
    await group.crash(away!);
    const texts = numbered(60).map((text) => text.padEnd(300, '.'));
    let last = 0n;
    for (const text of texts) last = await leader.propose(encode(text), NEVER);
    const log = await group.open(away!);
    await group.until(() => (log.status().committed >= last ? true : undefined));
    expect(await commandsOf(log, last)).toEqual(texts);
  });
});

test('a member behind the compacted log gets a snapshot, and records it only once it is installed', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async () => {
    const [away] = others(group);
    await group.crash(away!);
    const leader = await group.lead();
    leader.serveSnapshotsOf(snapshotsOf(leader));
    const before = await proposeAll(
      leader,
      numbered(40).map((text) => text.padEnd(300, '.')),
    );
    await leader.compact({ index: before, makeDurable: () => Promise.resolve() });
    expect(leader.status().firstIndex).toBeGreaterThan(1n);
    const log = await group.open(away!);
    const reader = log.committed(0n)[Symbol.asyncIterator]();
    const ticking = group.until(() => (log.status().committed >= before ? true : undefined));
    const snapshot = await nextSnapshot(reader);
    const texts: string[] = [];
    for await (const chunk of snapshot.content(NEVER)) texts.push(decode(chunk));
    expect(texts).toEqual([`state as of ${snapshot.index}`]);
    await turns(20);
    expect(log.status().committed).toBeLessThan(snapshot.index);
    const following = reader.next();
    await ticking;
    const last = await proposeAll(leader, ['after']);
    const second = await following;
    expect(second.value).toMatchObject([{ index: snapshot.index + 1n }]);
    await reader.return?.(undefined);
    // From now on the log begins behind the snapshot, in a new life too.
    await group.until(() => (log.status().committed >= last ? true : undefined));
    await group.crash(away!);
    group.member(away!).applied = { index: snapshot.index, term: snapshot.term };
    const again = await group.open(away!);
    expect(again.status().firstIndex).toBe(snapshot.index + 1n);
    expect(again.status().committed).toBeGreaterThanOrEqual(snapshot.index);
    await group.until(() => (again.status().committed >= last ? true : undefined));
    expect(await commandsOf(again, last, snapshot.index)).toEqual(['after']);
  });
});

test('a crash between installing a snapshot and recording it is made good at the next start', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async () => {
    const [away] = others(group);
    await group.crash(away!);
    const leader = await group.lead();
    leader.serveSnapshotsOf(snapshotsOf(leader));
    const before = await proposeAll(
      leader,
      numbered(40).map((text) => text.padEnd(300, '.')),
    );
    await leader.compact({ index: before, makeDurable: () => Promise.resolve() });
    const log = await group.open(away!);
    const reader = log.committed(0n)[Symbol.asyncIterator]();
    let isThere = false;
    const ticking = group.until(() => (isThere ? true : undefined));
    const seen = await nextSnapshot(reader);
    isThere = true;
    await ticking;
    await group.crash(away!);
    group.member(away!).applied = { index: seen.index, term: seen.term };
    const again = await group.open(away!);
    expect(again.status()).toMatchObject({ firstIndex: seen.index + 1n, committed: seen.index });
    const last = await proposeAll(leader, ['after']);
    await group.until(() => (again.status().committed >= last ? true : undefined));
    expect(await commandsOf(again, last, seen.index)).toEqual(['after']);
  });
});

test('a state machine ahead of its log is refused when no snapshot explains it', async () => {
  const group = new RaftGroup(1);
  group.member(1).applied = { index: 7n, term: 2n };
  await expect(group.open(1)).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
});

test('who joins a restored group gets its content, and never the log from its start', async () => {
  const group = new RaftGroup(2, {}, 1);
  group.member(1).applied = { index: 1n, term: 1n };
  const restored = await group.open(1);
  restored.serveSnapshotsOf(snapshotsOf(restored));
  expect(restored.status()).toMatchObject({ role: 'leader', firstIndex: 2n });
  const joining = await group.open(2);
  const asking = nextSnapshot(joining.committed(0n)[Symbol.asyncIterator]());
  let isThere = false;
  const ticking = group.until(() => (isThere ? true : undefined));
  await restored.group.changeGroup({ kind: 'addLearner', id: 2, address: addressOf(2) }, NEVER);
  expect((await asking).index).toBeGreaterThan(1n);
  isThere = true;
  await ticking;
  await group.stopAll();
});

test('a change of the group that would come to nothing is refused at once', async () => {
  const group = new RaftGroup(4, {}, 3);
  await withGroup(group, async (leader) => {
    group.network.passes = () => false;
    const patience = new AbortController();
    const first = leader.group.changeGroup(
      { kind: 'addLearner', id: 4, address: addressOf(4) },
      patience.signal,
    );
    patience.abort();
    await expect(first).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    // The first one is on its way to the others still.
    await expect(
      leader.group.changeGroup({ kind: 'remove', id: others(group)[0]! }, NEVER),
    ).rejects.toMatchObject({ code: 'OVERLOADED' });
    group.network.passes = () => true;
    await group.until(() => (leader.membership.confState.learners.includes(4) ? true : undefined));
  });
});

test('a learner joins, votes once it has caught up, and a removed member stops for good', async () => {
  const group = new RaftGroup(4, {}, 3);
  await withGroup(group, async (leader) => {
    const fourth = await group.open(4);
    await proposeAll(leader, numbered(5));
    const adding = leader.group.changeGroup(
      { kind: 'addLearner', id: 4, address: addressOf(4) },
      NEVER,
    );
    await group.until(() => (leader.membership.confState.learners.includes(4) ? true : undefined));
    await adding;
    await group.until(() => (fourth.status().role === 'learner' ? true : undefined));
    const promoting = leader.group.changeGroup({ kind: 'promote', id: 4 }, NEVER);
    await group.until(() => (leader.membership.confState.voters.includes(4) ? true : undefined));
    await promoting;
    const [gone] = others(group).filter((id) => id !== 4);
    const removed = group.logOf(gone!);
    await leader.group.changeGroup({ kind: 'remove', id: gone! }, NEVER);
    expect(membersOf(leader.membership.confState)).not.toContain(gone);
    await group.until(() => (removed.status().failure === undefined ? undefined : true));
    await expect(removed.propose(encode('x'), NEVER)).rejects.toMatchObject({
      code: 'MEMBER_REMOVED',
    });
    await expect(
      leader.group.changeGroup({ kind: 'addLearner', id: gone!, address: 'again' }, NEVER),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const last = await proposeAll(leader, ['by the new three']);
    await group.until(() => (fourth.status().committed >= last ? true : undefined));
    expect(await commandsOf(fourth, last)).toEqual([...numbered(5), 'by the new three']);
  });
});

test('a learner that is silent is not promoted', async () => {
  const group = new RaftGroup(4, {}, 3);
  await withGroup(group, async (leader) => {
    const change = { kind: 'addLearner', id: 4, address: addressOf(4) } as const;
    await leader.group.changeGroup(change, NEVER);
    for (let tick = 0; tick < 25; tick += 1) await group.tick();
    await expect(leader.group.changeGroup({ kind: 'promote', id: 4 }, NEVER)).rejects.toMatchObject(
      {
        code: 'NOT_READY',
      },
    );
  });
});

test('the membership survives a restart of everybody', async () => {
  const group = new RaftGroup(4, {}, 3);
  await withGroup(group, async (leader) => {
    await leader.group.changeGroup({ kind: 'addLearner', id: 4, address: addressOf(4) }, NEVER);
    await group.open(4);
    await group.until(() => (group.logOf(4).status().role === 'learner' ? true : undefined));
    for (const { id } of group.members) await group.crash(id);
    await group.openAll();
    await group.lead();
    expect(group.members.map(({ log }) => log!.membership.confState.learners)).toEqual(
      Array.from({ length: 4 }, () => [4]),
    );
  });
});

test('after a stall reads from before it are asked for anew', async () => {
  const group = new RaftGroup(3);
  await withGroup(group, async (leader) => {
    const { id } = group.leader()!;
    let isStalled = false;
    group.network.passes = (from, to, type) => {
      // Everybody stands still while the first answer is on its way; what is asked anew is lost.
      if (!isStalled && to === id && type === 'MsgHeartbeatResp') {
        isStalled = true;
        group.clock.step(800);
        return true;
      }
      return !isStalled || from !== id;
    };
    let isAnswered = false;
    const read = leader.readBarrier(NEVER).finally(() => {
      isAnswered = true;
    });
    await turns(20);
    expect([isStalled, isAnswered]).toEqual([true, false]);
    group.network.passes = () => true;
    await group.until(() => (isAnswered ? true : undefined));
    expect(await read).toBeGreaterThan(0n);
  });
});

test('a failed fdatasync ends the member: what it proposed is unknown, what comes is refused', async () => {
  const group = new RaftGroup(1);
  const log = await group.open(1);
  const { disk } = group.member(1);
  disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  await expect(log.propose(encode('x'), NEVER)).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  await expect(log.propose(encode('y'), NEVER)).rejects.toMatchObject({ code: 'DISK_FAILED' });
  expect(log.status().failure).toContain('EIO');
});

test('too many bytes on their way to the disk are OVERLOADED, and surely not taken', async () => {
  const group = new RaftGroup(1, { wal: { ...new RaftGroup(1).settings.wal, queuedBytes: 5000 } });
  const log = await group.open(1);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () => log.propose(new Uint8Array(1000).fill(65), NEVER)),
  );
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  const taken = outcomes.length - refused.length;
  expect(await commandsOf(log, await log.readBarrier(NEVER))).toHaveLength(taken);
  await group.stopAll();
});
