// Opens a member's log: what the files hold, what the state machine knows beyond them, then the core.
import { LogtierError } from '../../../base/errors.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import type { NextTurn } from '../../../platform/turn.ts';
import { encodeConfChange } from '../../raft/conf-change.ts';
import { RawNode } from '../../raft/raw-node.ts';
import type { WalDeps, WalPlace } from '../../wal/begin-file.ts';
import { openWal } from '../../wal/open-wal.ts';
import type { Wal } from '../../wal/wal.ts';
import type { WalRecord } from '../../wal/wal-record.ts';
import { coreSettings, ELECTION_TICKS } from './core-settings.ts';
import { LogView } from './log-view.ts';
import { LogWriter } from './log-writer.ts';
import { encodeMembership, firstMembership, type Peer } from './membership.ts';
import { foundingChange } from './membership-change.ts';
import { MembershipHistory } from './membership-history.ts';
import { RaftLog } from './raft-log.ts';
import { coreEntry } from './read-back.ts';
import type { RaftLogSettings } from './settings.ts';
import type { RaftTransport } from './transport.ts';

export interface RaftLogDeps extends WalDeps {
  readonly random: Random;
  readonly logger: Logger;
  readonly nextTurn: NextTurn;
  readonly transport: RaftTransport;
}

export interface RaftLogPlace extends WalPlace {
  /** Who a new group begins with; nobody for a member that joins one, and not looked at later. */
  readonly voters: readonly Peer[];
  /** This member as its group should know it. */
  readonly self?: Required<Peer> | undefined;
  /** Newest entry in the state machine, durable with it; 0 when there is none. */
  readonly applied: { readonly index: bigint; readonly term: bigint };
}

/**
 * CORRUPT_STATE and WRONG_CLUSTER leave the disk as it is. A group of one leads, and knows every entry as
 * committed, when this resolves; a member of a larger one follows.
 */
export async function openRaftLog(
  deps: RaftLogDeps,
  settings: RaftLogSettings,
  place: RaftLogPlace,
): Promise<RaftLog> {
  const wal = await openMemberWal(deps, settings, place);
  try {
    return await startRaftLog(deps, settings, place, wal);
  } catch (error) {
    await wal.close();
    throw error;
  }
}

export async function openMemberWal(
  deps: WalDeps & { readonly logger: Logger },
  settings: RaftLogSettings,
  place: WalPlace,
): Promise<Wal> {
  const { wal, isNew, cutBytes } = await openWal(deps, settings.wal, place);
  const { firstIndex, lastIndex } = wal;
  const { directory } = place;
  deps.logger.info({ directory, isNew, cutBytes, firstIndex, lastIndex }, 'metastore log opened');
  return wal;
}

/** Whether this log knows whom its group began with, or is a member's that joins one. */
export function hasBegun(wal: Wal): boolean {
  const commit = wal.hardState?.commit ?? 0n;
  const isOfFormatOne = wal.memberships.length === 0 && wal.lastIndex > 0n;
  return isOfFormatOne || wal.memberships.some(({ index }) => index <= commit);
}

/** As `openRaftLog`; the log takes over the open `wal`, which the caller closes when this fails. */
export async function startRaftLog(
  deps: RaftLogDeps,
  settings: RaftLogSettings,
  place: RaftLogPlace,
  wal: Wal,
): Promise<RaftLog> {
  const nodeId = Number(place.nodeId);
  await beginMembership(wal, place);
  await followStateMachine(wal, place);
  const durable = wal.hardState ?? { term: 0n, vote: 0n, commit: 0n };
  const history = new MembershipHistory(wal.memberships, knownCommit(wal, place));
  const { confState } = history.current;
  requireOwnDirectory(history, place);
  const isAlone = confState.voters.length === 1 && confState.voters[0] === nodeId;
  const nextChange = wal.memberChangeAfter(BigInt(history.since));
  // What a sole voter has on disk is committed.
  const commit = isAlone && nextChange === undefined ? wal.lastIndex : knownCommit(wal, place);
  const hardState = {
    term: Number(durable.term),
    vote: Number(durable.vote),
    commit: Number(commit),
  };
  // Changes of the members that are committed and not recorded yet are applied again.
  const applied = nextChange !== undefined && nextChange <= commit ? nextChange - 1n : commit;
  const view = new LogView({ wal, history }, settings, { hardState, confState });
  await fillCache(wal, view, applied, settings);
  const core = new RawNode(
    {
      storage: view,
      randomTimeout: () => ELECTION_TICKS + Math.floor(deps.random.share() * ELECTION_TICKS),
      trace: undefined,
    },
    coreSettings(settings, { id: nodeId, applied: Number(applied) }),
  );
  const log = new RaftLog(
    {
      ...deps,
      wal,
      view,
      core,
      history,
      nodeId,
      writer: new LogWriter(wal, view, hardState),
      committed: Number(applied),
      life: deps.random.bytes(8),
    },
    settings,
  );
  log.start();
  if (isAlone) await log.lead();
  if (isAlone) nameItself(log, place);
  return log;
}

/** A log that never said who its only member is, or where, says it from here on. */
function nameItself(log: RaftLog, { nodeId, self }: RaftLogPlace): void {
  const id = Number(nodeId);
  const { addresses, directories } = log.membership;
  const isNamed = addresses.has(id) && (self === undefined || addresses.get(id) === self.address);
  const isKnown = self === undefined || directories.get(id) === self.directory;
  if (!isNamed || !isKnown) log.nameItself(self ?? { id, address: '' });
}

function requireOwnDirectory(history: MembershipHistory, { nodeId, self }: RaftLogPlace): void {
  const known = history.current.directories.get(Number(nodeId));
  if (known === undefined || self === undefined || known === self.directory) return;
  throw new LogtierError('CORRUPT_STATE', 'the directory-id beside the log is not the one in it', {
    hint: 'restore the whole directory from one backup',
  });
}

/**
 * A new group's log begins with its members as entries, the same on each of them, so that whoever joins
 * later and reads the log from its start knows them too. Begun anew when a crash came in between.
 */
async function beginMembership(wal: Wal, place: RaftLogPlace): Promise<void> {
  const { voters, nodeId, applied } = place;
  const known = wal.snapshot?.index ?? 0n;
  if (hasBegun(wal)) {
    if (wal.memberships.length > 0) return;
    // It always was alone: logs of format 1 are.
    const alone = firstMembership([{ id: Number(nodeId), address: '' }]);
    const state = encodeMembership({ ...alone, addresses: new Map() });
    await wal.append([{ kind: 'membership', index: known, state }]);
    return;
  }
  const index = BigInt(voters.length);
  const state = encodeMembership(firstMembership(voters));
  const commitAll = { kind: 'hardState', term: FIRST_TERM, vote: 0n, commit: index } as const;
  // A restored content stands for these entries: whoever joins gets it, and never the log from its start.
  const isRestored = index > 0n && applied.index === index && applied.term === FIRST_TERM;
  const mark = { kind: 'snapshotMarker', index, term: FIRST_TERM } as const;
  await wal.append([
    { kind: 'membership', index, state },
    ...(wal.lastIndex > 0n ? [{ kind: 'truncate', fromIndex: 1n } as const] : []),
    ...(isRestored ? [mark] : voters.map(memberEntry)),
    ...(voters.length > 0 ? [commitAll] : []),
  ]);
}

const FIRST_TERM = 1n;

function memberEntry(voter: Peer, at: number): WalRecord {
  const command = encodeConfChange(foundingChange(voter)).data;
  const place = { index: BigInt(at + 1), term: FIRST_TERM };
  return { kind: 'entry', ...place, changesMembers: true, command };
}

/**
 * The state machine may have installed a snapshot that the log did not come to record. Its membership was
 * recorded before: without it the log was lost or replaced.
 */
async function followStateMachine(wal: Wal, { applied }: RaftLogPlace): Promise<void> {
  const { index, term } = applied;
  if (index === 0n || wal.termOf(index) === term) return;
  if (index < wal.firstIndex && index <= (wal.snapshot?.index ?? 0n)) return;
  if (!wal.memberships.some((each) => each.index === index)) {
    throw new LogtierError(
      'CORRUPT_STATE',
      `the catalog is at entry ${index} of term ${term}, the log ends at ${wal.lastIndex}`,
      { hint: 'the log was lost or replaced: restore both from one backup' },
    );
  }
  const { term: hardTerm, vote, commit } = wal.hardState ?? { term: 0n, vote: 0n, commit: 0n };
  const cut: WalRecord[] =
    wal.lastIndex > commit ? [{ kind: 'truncate', fromIndex: commit + 1n }] : [];
  await wal.append([
    ...cut,
    { kind: 'snapshotMarker', index, term },
    { kind: 'hardState', term: hardTerm > term ? hardTerm : term, vote, commit: index },
  ]);
}

/** What is applied, or in a snapshot, was committed, whatever the last hard state on disk says. */
function knownCommit(wal: Wal, { applied }: RaftLogPlace): bigint {
  const known = [wal.hardState?.commit ?? 0n, wal.snapshot?.index ?? 0n, applied.index];
  return known.reduce((left, right) => (left > right ? left : right));
}

/** The core asks for what it has not applied yet without waiting. */
async function fillCache(
  wal: Wal,
  view: LogView,
  applied: bigint,
  { readBytes }: RaftLogSettings,
): Promise<void> {
  for (let from = applied + 1n; from <= wal.lastIndex;) {
    const entries = await wal.read(from, readBytes);
    for (const entry of entries) view.cache.add(coreEntry(entry));
    from += BigInt(entries.length);
  }
}
