import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { allVoters, committedIndex, voteResult } from '../../../../src/metastore/raft/quorum.ts';
import { NO_LIMIT } from '../../../../src/metastore/raft/settings.ts';

const id = fc.integer({ min: 1, max: 9 });
const half = fc.uniqueArray(id, { maxLength: 7 });
const config = fc.record({ voters: half, votersOutgoing: half });
const acks = fc.dictionary(id.map(String), fc.integer({ min: 0, max: 20 }));
const ballots = fc.dictionary(id.map(String), fc.boolean());

function indexes(acked: Readonly<Record<string, number>>) {
  return { ackedIndex: (voter: number) => acked[voter] };
}

/** The definition, without sorting: the largest index that more than half reached. */
function definedIndex(voters: readonly number[], acked: Readonly<Record<string, number>>): number {
  if (voters.length === 0) return NO_LIMIT;
  const reached = (index: number) => voters.filter((voter) => (acked[voter] ?? 0) >= index).length;
  for (let index = 20; index > 0; index--) if (reached(index) * 2 > voters.length) return index;
  return 0;
}

test('the committed index is what a majority of each half reached', () => {
  fc.assert(
    fc.property(config, acks, ({ voters, votersOutgoing }, acked) => {
      const halves = [definedIndex(voters, acked), definedIndex(votersOutgoing, acked)];
      const found = committedIndex({ voters, votersOutgoing }, indexes(acked));
      expect(found).toBe(Math.min(...halves));
    }),
  );
});

const outcome = (voters: readonly number[], votes: ReadonlyMap<number, boolean>) => {
  const yes = voters.filter((voter) => votes.get(voter) === true).length;
  const open = voters.filter((voter) => !votes.has(voter)).length;
  if (voters.length === 0 || yes * 2 > voters.length) return 'won';
  return (yes + open) * 2 > voters.length ? 'pending' : 'lost';
};

test('a vote is won, lost or open as the ballots that are missing can decide', () => {
  fc.assert(
    fc.property(config, ballots, ({ voters, votersOutgoing }, cast) => {
      const votes = new Map(Object.entries(cast).map(([voter, vote]) => [Number(voter), vote]));
      const halves = [outcome(voters, votes), outcome(votersOutgoing, votes)];
      const both = halves.every((each) => each === 'won') ? 'won' : 'pending';
      const expected = halves.includes('lost') ? 'lost' : both;
      expect(voteResult({ voters, votersOutgoing }, votes)).toBe(expected);
    }),
  );
});

test('all voters are named once, ascending', () => {
  expect(allVoters({ voters: [3, 1], votersOutgoing: [2, 3, 10] })).toEqual([1, 2, 3, 10]);
});
