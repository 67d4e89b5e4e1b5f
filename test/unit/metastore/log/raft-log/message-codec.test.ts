import { expect, test } from 'vitest';
import { RaftMessage } from '../../../../../src/gen/logtier/v1/raft.ts';
import {
  encodeMembership,
  firstMembership,
} from '../../../../../src/metastore/log/raft-log/membership.ts';
import {
  decodeMessage,
  encodeMessage,
} from '../../../../../src/metastore/log/raft-log/message-codec.ts';
import type { Message } from '../../../../../src/metastore/raft/messages.ts';

const NOTHING: Message = {
  type: 'MsgHeartbeat',
  from: 1,
  to: 2,
  term: 7,
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  vote: 0,
  reject: false,
  rejectHint: 0,
};

const append: Message = {
  ...NOTHING,
  type: 'MsgApp',
  logTerm: 3,
  index: 40,
  commit: 39,
  entries: [
    { index: 41, term: 5, type: 'normal', data: Buffer.from('of an older term') },
    { index: 42, term: 7, type: 'confChangeV2', data: Buffer.from('members') },
    { index: 43, term: 7, type: 'normal', data: Buffer.alloc(0) },
  ],
};

function overTheWire(message: Message): RaftMessage {
  return RaftMessage.decode(RaftMessage.encode(encodeMessage(message)!).finish());
}

test('messages between members read back as they were', () => {
  const membership = firstMembership([
    { id: 1, address: 'a:1' },
    { id: 2, address: 'b:2' },
  ]);
  const snapshot = {
    index: 90,
    term: 6,
    confState: membership.confState,
    data: encodeMembership(membership),
  };
  const messages: Message[] = [
    append,
    { ...NOTHING, type: 'MsgAppResp', index: 3, reject: true, rejectHint: 2, logTerm: 1 },
    { ...NOTHING, type: 'MsgReadIndexResp', index: 9, context: Buffer.from('round') },
    { ...NOTHING, type: 'MsgSnap', snapshot },
  ];
  for (const message of messages) {
    const read = decodeMessage(overTheWire(message), 1, 2);
    const plain = { context: undefined, snapshot: undefined, entries: [] };
    expect({ ...read, ...plain }).toEqual({ ...message, ...plain });
    expect(read.entries).toEqual(message.entries);
    expect(
      Buffer.compare(read.context ?? Buffer.alloc(0), message.context ?? Buffer.alloc(0)),
    ).toBe(0);
    expect(read.snapshot?.confState).toEqual(message.snapshot?.confState);
  }
});

test('a payload that changed on its way is refused', () => {
  const sent = overTheWire(append);
  sent.entries[0]!.data[3]! ^= 1;
  expect(() => decodeMessage(sent, 1, 2)).toThrow(
    expect.objectContaining({
      code: 'CORRUPT_STATE',
      message: expect.stringContaining('entry 41'),
    }),
  );
});

test('what a node tells only itself is not sent', () => {
  expect(encodeMessage({ ...NOTHING, type: 'MsgStorageAppendResp' })).toBeUndefined();
  expect(encodeMessage({ ...NOTHING, type: 'MsgHup' })).toBeUndefined();
});
