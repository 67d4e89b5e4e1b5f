import { expect, test } from 'vitest';
import { LogView } from '../../../../../src/metastore/log/raft-log/log-view.ts';
import { LogWriter } from '../../../../../src/metastore/log/raft-log/log-writer.ts';
import {
  encodeMembership,
  firstMembership,
} from '../../../../../src/metastore/log/raft-log/membership.ts';
import { MembershipHistory } from '../../../../../src/metastore/log/raft-log/membership-history.ts';
import { APPEND_THREAD } from '../../../../../src/metastore/raft/messages.ts';
import { draftMessage } from '../../../../../src/metastore/raft/core.ts';
import { openWal } from '../../../../../src/metastore/wal/open-wal.ts';
import { MemoryDisk, seededDraw } from '../../../../support/memory-disk.ts';
import { smallRaftSettings } from '../../../../support/raft-group.ts';
import { tickedClock } from '../../../../support/wal-world.ts';

test('a term and a vote are durable when their write is, though nothing else is to be written', async () => {
  const disk = new MemoryDisk();
  disk.place('/data/lost+found', Buffer.alloc(0));
  const deps = { disk, clock: tickedClock() };
  const place = { directory: '/data/wal', clusterId: 'group', nodeId: 1n };
  const { wal } = await openWal(deps, smallRaftSettings.wal, place);
  const membership = firstMembership([{ id: 1, address: '' }]);
  const state = encodeMembership(membership);
  const history = new MembershipHistory([{ index: 0n, state }], 0n);
  const hardState = { term: 0, vote: 0, commit: 0 };
  const { confState } = membership;
  const view = new LogView({ wal, history }, smallRaftSettings, { hardState, confState });
  const writer = new LogWriter(wal, view, hardState);
  const vote = { ...draftMessage('MsgStorageAppend', APPEND_THREAD), term: 2, vote: 3 };
  await writer.write(vote);
  disk.crash(seededDraw(1));
  const again = await openWal(deps, smallRaftSettings.wal, place);
  expect(again.wal.hardState).toEqual({ term: 2n, vote: 3n, commit: 0n });
  await again.wal.close();
});
