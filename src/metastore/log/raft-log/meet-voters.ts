// A new group begins when all its voters have met, and have agreed durably which directory each of them has. A
// voter that loses its directory is then refused by all others, also by one that has not begun yet, and can
// vote for nothing that contradicts what it had promised (Raft, 5.1: state must outlive restarts).
import { assert } from '../../../base/assert.ts';
import { backoffMs } from '../../../base/backoff.ts';
import { hasCode, LogtierError } from '../../../base/errors.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import { type Founders, type Founding, printVoters } from './founders.ts';
import type { Peer } from './membership.ts';

/** What a voter says of itself and of its group. */
export interface Introduction {
  readonly directory: string;
  /** Nobody before it belongs to a group. */
  readonly members: readonly Peer[];
  /** Whom its settings let a new group begin with. */
  readonly voters: readonly Peer[];
  /** Whom it has agreed to begin a new group with; nobody before. */
  readonly founders: readonly Peer[];
}

export interface MeetingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What this voter agrees to. */
  readonly founders: Founders;
  /**
   * Asks the peer who it is, and to agree to `proposed` unless that is nobody. WRONG_DIRECTORY and
   * MEMBER_REMOVED are final; anything else may pass.
   */
  introduce(peer: Peer, proposed: readonly Peer[], signal: AbortSignal): Promise<Introduction>;
}

type Ask = (peer: Peer, proposed: readonly Peer[]) => Promise<Introduction>;

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
  founding: Founding,
  signal: AbortSignal,
): Promise<readonly Peer[]> {
  const over = new LogtierError('ABORTED', 'the meeting is over');
  const ended = new AbortController();
  const all = AbortSignal.any([signal, ended.signal]);
  try {
    return await new Promise<readonly Peer[]>((resolve, reject) => {
      const ask: Ask = async (peer, proposed) => {
        const said = await meet(deps, founding, { peer, proposed }, all);
        if (said.members.length === 0) return said;
        requireKnown(founding.self, peer, said);
        resolve([]);
        throw over;
      };
      void agreeWithAll(deps.founders, founding, ask).then(resolve, reject);
    });
  } finally {
    ended.abort(over);
  }
}

/** First each says which directory it has, then each keeps the list of all. */
async function agreeWithAll(
  founders: Founders,
  { self, voters }: Founding,
  ask: Ask,
): Promise<readonly Peer[]> {
  const others = voters.filter(({ id }) => id !== self.id);
  if (founders.agreed.length === 0) {
    const hear = async (peer: Peer): Promise<Peer> => {
      if (peer.id === self.id) return { ...peer, directory: self.directory };
      const { directory } = await ask(peer, []);
      return { ...peer, directory };
    };
    await founders.agree(await Promise.all(voters.map(hear)));
  }
  const { agreed } = founders;
  assert(agreed.length === voters.length, 'a list of all voters fits');
  await Promise.all(others.map((peer) => ask(peer, agreed)));
  return agreed;
}

interface Asked {
  readonly peer: Peer;
  readonly proposed: readonly Peer[];
}

async function meet(
  deps: MeetingDeps,
  { voters }: Founding,
  { peer, proposed }: Asked,
  signal: AbortSignal,
): Promise<Introduction> {
  const { clock, logger, random } = deps;
  let saidAtMs = Number.NEGATIVE_INFINITY;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const said = await deps.introduce(peer, proposed, signal);
      if (said.members.length > 0) return said;
      requireSameVoters(voters, peer, said);
      if (proposed.length > 0) requireAgreed(proposed, peer, said);
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

function requireAgreed(proposed: readonly Peer[], peer: Peer, { founders }: Introduction): void {
  const other = proposed.find(({ id, directory }) => {
    const theirs = founders.find((founder) => founder.id === id);
    return theirs?.directory !== directory;
  });
  if (other === undefined) return;
  const what = `member ${peer.id} does not agree on the directory of member ${other.id}`;
  throw new LogtierError('INVALID_CONFIG', what, { hint: BEGIN_ANEW });
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

const BEGIN_ANEW =
  'a directory was emptied while the group was founded: if it never began, empty those of all its voters';

/**
 * WRONG_DIRECTORY to a member whose directory is not `known`: by the membership, and before there is one by
 * what was agreed.
 */
export function requireDirectory(
  from: { readonly id: number; readonly directory: string },
  known: string | undefined,
  by: number,
): void {
  if (known === undefined || known === from.directory) return;
  throw lostDirectory(from.id, `member ${by} knows another one of it`);
}

function lostDirectory(nodeId: number, what: string): LogtierError {
  return new LogtierError('WRONG_DIRECTORY', `member ${nodeId} has lost its directory: ${what}`, {
    hint: 'remove its number from the group, and add a new one with a new number: docs/runbooks/replace-a-member.md',
  });
}
