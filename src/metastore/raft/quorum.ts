// Who is a majority, alone and in a joint configuration, where both halves must agree.
import type { ConfState } from './messages.ts';
import { NO_LIMIT } from './settings.ts';

export type VoteResult = 'won' | 'lost' | 'pending';

/** What each voter has acknowledged; undefined when it was not heard of. */
export interface AckedIndexes {
  ackedIndex(id: number): number | undefined;
}

export type Voters = Pick<ConfState, 'voters' | 'votersOutgoing'>;

/** Highest index that a majority of both halves acknowledged. An absent half agrees to everything. */
export function committedIndex(config: Voters, acked: AckedIndexes): number {
  const incoming = majorityIndex(config.voters, acked);
  if (config.votersOutgoing.length === 0) return incoming;
  return Math.min(incoming, majorityIndex(config.votersOutgoing, acked));
}

/** Lost as soon as one half can no longer be won. */
export function voteResult(config: Voters, votes: ReadonlyMap<number, boolean>): VoteResult {
  const incoming = majorityVote(config.voters, votes);
  const outgoing = majorityVote(config.votersOutgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}

/** All voters of both halves, ascending. */
export function allVoters(config: Voters): readonly number[] {
  return [...new Set([...config.voters, ...config.votersOutgoing])].toSorted((a, b) => a - b);
}

function majorityIndex(voters: readonly number[], acked: AckedIndexes): number {
  if (voters.length === 0) return NO_LIMIT;
  const ascending: number[] = [];
  for (const id of voters) insert(ascending, acked.ackedIndex(id) ?? 0);
  return ascending[(voters.length - 1) >> 1] ?? 0;
}

/** Groups are small: insertion beats a sort with a comparator. */
function insert(ascending: number[], value: number): void {
  let at = ascending.length;
  ascending.push(value);
  for (; at > 0; at--) {
    const before = ascending[at - 1] ?? 0;
    if (before <= value) break;
    ascending[at] = before;
  }
  ascending[at] = value;
}

function majorityVote(voters: readonly number[], votes: ReadonlyMap<number, boolean>): VoteResult {
  if (voters.length === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const needed = (voters.length >> 1) + 1;
  if (granted >= needed) return 'won';
  return granted + missing >= needed ? 'pending' : 'lost';
}
