// What a commit costs the disks of a group.
import { expect, test } from 'vitest';
import { RaftGroup, smallRaftSettings, turns } from '../../../../support/raft-group.ts';

const NEVER = new AbortController().signal;
const COMMANDS = 5;

test('an entry costs each member one fdatasync, its commit index none', async () => {
  const wal = { ...smallRaftSettings.wal, fileBytes: 256 * 1024, batchBytes: 64 * 1024 };
  const group = new RaftGroup(3, { wal });
  await group.openAll();
  const leader = await group.lead();
  await turns(50);
  const syncsOf = (): number[] => group.members.map(({ disk }) => disk.syncs);
  const before = syncsOf();
  let last = 0n;
  for (let command = 0; command < COMMANDS; command += 1) {
    last = await leader.propose(new Uint8Array(10), NEVER);
    // Followers learn of the commit by a message of its own.
    await turns(50);
  }
  expect(group.members.map(({ log }) => log!.status().committed)).toEqual([last, last, last]);
  expect(syncsOf().map((syncs, at) => syncs - before[at]!)).toEqual([COMMANDS, COMMANDS, COMMANDS]);
  await group.stopAll();
});

test('a commit index that was on no disk is known again from the leader', async () => {
  const group = new RaftGroup(3);
  await group.openAll();
  const leader = await group.lead();
  const last = await leader.propose(new Uint8Array(10), NEVER);
  await turns(50);
  for (const { id } of group.members) await group.crash(id);
  await group.openAll();
  await group.lead();
  await group.until(() =>
    group.members.every(({ log }) => log!.status().committed >= last) ? true : undefined,
  );
  await group.stopAll();
});
