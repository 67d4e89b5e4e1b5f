// Who a member listens to over real gRPC, and what nobody may send it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type ExchangeRequest,
  MembershipRecord,
  type RaftMessage,
  RaftMessageType,
  RaftServiceService,
} from '../../../../../src/gen/logtier/v1/raft.ts';
import { encodeMembership } from '../../../../../src/metastore/log/raft-log/membership.ts';
import {
  append,
  codeOf,
  encoded,
  GROUP,
  hello,
  requestsOf,
  STALLED_MS,
  TransportPair,
  VOTERS,
} from '../../../../support/transport-pair.ts';

const NEVER = new AbortController().signal;
const PATIENCE = { timeout: 60_000, interval: 5 };

let pair: TransportPair;
beforeEach(async () => {
  pair = await TransportPair.start();
});
afterEach(async () => {
  await pair.stop();
});

/** What the receiver answers to an exchange of these, until it ends; with the code of its end. */
async function exchange(...parts: readonly ExchangeRequest['part'][]): Promise<string> {
  const requests = requestsOf(...parts.map((part) => ({ part })));
  const calls = pair.raw.duplex(RaftServiceService.exchange, requests, STALLED_MS, NEVER);
  return await codeOf(async () => {
    for await (const _ of calls);
  });
}

describe('a hello', () => {
  const batch = { $case: 'batch' as const, value: { messages: [encoded(append)] } };

  test.each([
    ['of another group', { groupId: 'another-group' }],
    ['that looks for another member', { to: 3n }],
  ])('%s is refused, and nothing of it is heard', async (_, lie) => {
    const code = await exchange({ $case: 'hello', value: { ...hello, ...lie } }, batch);
    expect(code).toBe('WRONG_CLUSTER');
    expect(pair.two.received).toEqual([]);
  });

  test('of a member whose number is none is refused', async () => {
    const value = { ...hello, from: 2n ** 60n };
    expect(await exchange({ $case: 'hello', value }, batch)).toBe('CORRUPT_STATE');
    expect(pair.two.received).toEqual([]);
  });

  test('of a removed member is refused, and the member is told for good', async () => {
    pair.two.transport.setMembership({ ...GROUP, removed: new Set([1]) });
    pair.one.transport.setMembership(GROUP);
    await vi.waitUntil(() => pair.one.refused.length > 0, PATIENCE);
    expect(pair.one.refused[0]).toMatchObject({
      code: 'MEMBER_REMOVED',
      message: 'member 1 was removed from the group',
    });
    expect(await exchange({ $case: 'hello', value: hello }, batch)).toBe('MEMBER_REMOVED');
    expect(pair.two.received).toEqual([]);
  });

  test('of a member with another directory is refused, and the member is told for good', async () => {
    const directories = new Map([[1, 'the one before']]);
    pair.two.transport.setMembership({ ...GROUP, directories });
    pair.one.transport.setMembership(GROUP);
    await vi.waitUntil(() => pair.one.refused.length > 0, PATIENCE);
    expect(pair.one.refused[0]).toMatchObject({ code: 'WRONG_DIRECTORY' });
    expect(pair.two.received).toEqual([]);
  });

  test('of another directory than the one agreed on is refused before the group has begun', async () => {
    const founders = VOTERS.map((voter) => ({ ...voter, directory: `directory-${voter.id}` }));
    const two = VOTERS[1]!;
    expect(await pair.one.transport.introduce(two, [], NEVER)).toMatchObject({ founders: [] });
    const said = { directory: 'directory-2', members: [], voters: VOTERS, founders };
    expect(await pair.one.transport.introduce(two, founders, NEVER)).toEqual(said);
    expect(await pair.one.transport.introduce(two, [], NEVER)).toEqual(said);
    const value = { ...hello, directory: 'a new one' };
    expect(await exchange({ $case: 'hello', value }, batch)).toBe('WRONG_DIRECTORY');
    const { introduce } = RaftServiceService;
    const asked = pair.raw.unary(introduce, { hello: value, founders: [] }, 5_000, NEVER);
    await expect(asked).rejects.toMatchObject({ code: 'WRONG_DIRECTORY' });
    expect(pair.two.received).toEqual([]);
  });

  test('comes first: messages before it are refused', async () => {
    expect(await exchange(batch)).toBe('INVALID_ARGUMENT');
    expect(await exchange(undefined)).toBe('INVALID_ARGUMENT');
    const { introduce } = RaftServiceService;
    const asked = pair.raw.unary(introduce, { hello: undefined, founders: [] }, 5_000, NEVER);
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(pair.two.received).toEqual([]);
  });
});

const SNAPSHOT = RaftMessageType.SNAPSHOT;
const WITHOUT_CONTENT = {
  index: 9n,
  term: 1n,
  membership: MembershipRecord.decode(encodeMembership(GROUP)),
};

describe('a message that no peer may send', () => {
  const [entry] = encoded(append).entries;
  test.each([
    ['an index beyond all numbers', { index: 2n ** 60n }],
    ['a term beyond all numbers', { term: 2n ** 63n }],
    ['a commit index beyond all numbers', { commit: 2n ** 64n - 1n }],
    ['a type that there is not', { type: 99 }],
    ['no type', { type: 0 }],
    ['an entry whose CRC lies', { entries: [{ ...entry!, crc: 1 }] }],
    ['an entry of an impossible term', { entries: [{ ...entry!, term: 2n ** 61n }] }],
    ['a snapshot without its content', { type: SNAPSHOT, entries: [], snapshot: WITHOUT_CONTENT }],
    ['a snapshot of nobody', { snapshot: { index: 9n, term: 1n, membership: undefined } }],
  ])('%s ends its stream with a clear error, and the next stream is heard', async (_, lie) => {
    const opening = { $case: 'hello' as const, value: hello };
    const messages = [encoded(append, lie as Partial<RaftMessage>)];
    expect(await exchange(opening, { $case: 'batch', value: { messages } })).toBe('CORRUPT_STATE');
    expect(pair.two.received).toEqual([]);
    pair.one.transport.setMembership(GROUP);
    await vi.waitUntil(() => {
      pair.one.transport.send(append);
      return pair.two.received.length > 0;
    }, PATIENCE);
    expect(pair.two.received[0]).toMatchObject({ type: 'MsgApp', from: 1, index: 4 });
  });
});
