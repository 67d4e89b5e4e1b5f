// A new group begins when all its voters have met: each keeps, from its first entry on, which directory every
// other one has. A voter that loses its directory is then refused by all, and can vote for nothing that
// contradicts what it had promised (Raft, 5.1: state must outlive restarts).
import { backoffMs } from '../../../base/backoff.ts';
import { hasCode, LogtierError } from '../../../base/errors.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import type { Peer } from './membership.ts';

/** What a voter says of itself and of its group. */
export interface Introduction {
  readonly directory: string;
  /** Nobody before it belongs to a group. */
  readonly members: readonly Peer[];
  /** Whom its settings let a new group begin with. */
  readonly voters: readonly Peer[];
}

export interface MeetingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** WRONG_DIRECTORY and MEMBER_REMOVED are final; anything else may pass. */
  introduce(peer: Peer, signal: AbortSignal): Promise<Introduction>;
}

export interface Meeting {
  /** This voter, with its directory. */
  readonly self: Required<Peer>;
  readonly voters: readonly Peer[];
}

const RETRY = { firstRetryMs: 100, longestRetryMs: 2_000 };

/** Between lines that say for whom it waits. */
const SAY_EVERY_MS = 10_000;

/**
 * Whom the log begins with: every voter and its directory, or nobody when another has begun already and
 * knows this one: the group's leader sends it what it misses. WRONG_DIRECTORY when they have begun with
 * another directory of this voter.
 */
export async function meetVoters(
  deps: MeetingDeps,
  meeting: Meeting,
  signal: AbortSignal,
): Promise<readonly Peer[]> {
  const { self, voters } = meeting;
  const others = voters.filter(({ id }) => id !== self.id);
  const ended = new AbortController();
  const all = AbortSignal.any([signal, ended.signal]);
  const directories = new Map([[self.id, self.directory]]);
  try {
    return await new Promise<readonly Peer[]>((resolve, reject) => {
      const heard = (peer: Peer, said: Introduction): void => {
        directories.set(peer.id, said.directory);
        if (said.members.length > 0) {
          requireKnown(self, peer, said);
          resolve([]);
        } else if (directories.size === voters.length) {
          const founders = voters.toSorted((left, right) => left.id - right.id);
          resolve(
            founders.map(({ id, address }) => ({ id, address, directory: directories.get(id) })),
          );
        }
      };
      const hear = async (peer: Peer): Promise<void> => {
        try {
          heard(peer, await meet(deps, meeting, peer, all));
        } catch (error) {
          reject(error);
        }
      };
      for (const peer of others) void hear(peer);
    });
  } finally {
    ended.abort(new LogtierError('ABORTED', 'the meeting is over'));
  }
}

async function meet(
  deps: MeetingDeps,
  { voters }: Meeting,
  peer: Peer,
  signal: AbortSignal,
): Promise<Introduction> {
  const { clock, logger, random } = deps;
  let saidAtMs = Number.NEGATIVE_INFINITY;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const said = await deps.introduce(peer, signal);
      if (said.members.length === 0) requireSameVoters(voters, peer, said);
      return said;
    } catch (error) {
      if (signal.aborted || hasCode(error, 'WRONG_DIRECTORY', 'MEMBER_REMOVED')) throw error;
      if (clock.monotonicMs() - saidAtMs >= SAY_EVERY_MS) {
        saidAtMs = clock.monotonicMs();
        const fields = { peer: peer.id, address: peer.address, reason: String(error) };
        logger.warn(fields, 'a new group waits for a member');
      }
      await clock.sleep(backoffMs(RETRY, attempt, random.share()), signal);
    }
  }
}

/** All voters write the same first entries. */
function requireSameVoters(voters: readonly Peer[], peer: Peer, said: Introduction): void {
  const own = printVoters(voters);
  const theirs = printVoters(said.voters);
  if (own === theirs) return;
  throw new LogtierError('INVALID_CONFIG', `member ${peer.id} begins with ${theirs}, not ${own}`, {
    hint: 'metastore.group.voters is the same for all members of a new group',
  });
}

function printVoters(voters: readonly Peer[]): string {
  const sorted = voters.toSorted((left, right) => left.id - right.id);
  return sorted.map(({ id, address }) => `${id} at ${address}`).join(', ') || 'nobody';
}

/** A group that has begun knows this voter's very directory: it then holds nothing that was promised. */
function requireKnown(self: Required<Peer>, peer: Peer, { members }: Introduction): void {
  const known = members.find(({ id }) => id === self.id);
  if (known?.directory === self.directory) return;
  if (known !== undefined) {
    throw lostDirectory(self.id, `member ${peer.id} knows another one of it`);
  }
  const what = `the group of member ${peer.id} has begun without member ${self.id}`;
  throw new LogtierError('WRONG_CLUSTER', what, {
    hint: 'a member that joins later starts without metastore.group.voters: logtier cluster add',
  });
}

/** To the member whose directory it is not. */
export function lostDirectory(nodeId: number, what: string): LogtierError {
  return new LogtierError('WRONG_DIRECTORY', `member ${nodeId} has lost its directory: ${what}`, {
    hint: 'remove its number from the group, and add a new one with a new number: docs/runbooks/replace-a-member.md',
  });
}
