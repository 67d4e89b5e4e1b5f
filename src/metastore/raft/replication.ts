// The leader's side of replication: append, send, count, commit.
import { assert } from '../../base/assert.ts';
import { type RaftCore, draftMessage, send } from './core.ts';
import { payloadBytes } from './entry-size.ts';
import { type Entry, NO_BYTES } from './messages.ts';
import type { Progress } from './progress.ts';
import { enterLeadership } from './roles.ts';

/** A leader commits an entry of its own term before it counts on older ones (bug 1). */
export function becomeLeader(core: RaftCore): void {
  enterLeadership(core);
  appendOwn(core, [{ term: 0, index: 0, type: 'normal', data: NO_BYTES }]);
  core.trace?.({ kind: 'becameLeader', term: core.term });
}

/**
 * Stamps and appends proposed entries; false when more would be uncommitted than allowed. One batch is
 * taken while nothing is uncommitted, whatever its size, and empty entries always are.
 */
export function appendOwn(core: RaftCore, proposed: readonly Entry[]): boolean {
  const bytes = payloadBytes(proposed);
  const total = core.uncommittedBytes + bytes;
  if (core.uncommittedBytes > 0 && bytes > 0 && total > core.settings.maxUncommittedBytes) {
    core.trace?.({ kind: 'droppedProposalOverLimit' });
    return false;
  }
  core.uncommittedBytes = total;
  let index = core.log.lastIndex();
  const stamped: Entry[] = [];
  for (const { type, data } of proposed) {
    index++;
    stamped.push({ term: core.term, index, type, data });
  }
  core.log.append(stamped);
  // The leader's own acknowledgement waits for its disk like everybody's.
  const acknowledged = draftMessage('MsgAppResp', core.id);
  acknowledged.index = index;
  send(core, acknowledged);
  return true;
}

/** Commits what a quorum has; true when the commit index moved. */
export function maybeCommit(core: RaftCore): boolean {
  return core.log.maybeCommit(core.tracker.committed(), core.term);
}

export function broadcastAppend(core: RaftCore): void {
  for (const id of core.tracker.ids) if (id !== core.id) sendAppend(core, id);
}

/** Sends what there is, or an empty append that tells the commit index. */
export function sendAppend(core: RaftCore, to: number): void {
  maybeSendAppend(core, to, true);
}

/** False when nothing was sent: the follower is paused, or there is nothing and `sendIfEmpty` is off. */
export function maybeSendAppend(core: RaftCore, to: number, sendIfEmpty: boolean): boolean {
  const progress = core.tracker.of(to);
  if (progress.isPaused()) return false;
  const { log } = core;
  const previous = progress.next - 1;
  const previousTerm = log.term(previous);
  if (typeof previousTerm !== 'number') return maybeSendSnapshot(core, to, progress);
  const isFull = progress.state === 'replicate' && progress.inflights.isFull();
  const entries = isFull ? [] : log.entries(progress.next, core.settings.maxMessageBytes);
  if (!sendIfEmpty && (entries === 'compacted' || entries.length === 0)) return false;
  if (entries === 'compacted') return maybeSendSnapshot(core, to, progress);
  const message = draftMessage('MsgApp', to);
  message.index = previous;
  message.logTerm = previousTerm;
  message.entries = entries;
  message.commit = log.commit;
  send(core, message);
  progress.sentEntries(entries.length, payloadBytes(entries));
  progress.sentCommit(log.commit);
  return true;
}

export function broadcastHeartbeat(core: RaftCore): void {
  const context = core.reads.heartbeatContext();
  for (const id of core.tracker.ids) if (id !== core.id) sendHeartbeat(core, id, context);
}

/** A heartbeat commits nothing that the follower may lack. */
function sendHeartbeat(core: RaftCore, to: number, context: Uint8Array | undefined): void {
  const progress = core.tracker.of(to);
  const message = draftMessage('MsgHeartbeat', to);
  message.commit = Math.min(progress.match, core.log.commit);
  message.context = context;
  send(core, message);
  progress.sentCommit(message.commit);
}

function maybeSendSnapshot(core: RaftCore, to: number, progress: Progress): boolean {
  const { log, trace } = core;
  if (!progress.isRecentlyActive) {
    trace?.({ kind: 'snapshotNotSentToInactive', to });
    return false;
  }
  const snapshot = log.snapshot();
  if (snapshot === 'temporarilyUnavailable') {
    trace?.({ kind: 'snapshotUnavailable', to });
    return false;
  }
  const { index, term } = snapshot;
  assert(index > 0, 'a compacted log has a snapshot');
  trace?.({
    kind: 'snapshotSent',
    to,
    firstIndex: log.firstIndex(),
    commit: log.commit,
    index,
    term,
    progress: progress.view(),
  });
  progress.becomeSnapshot(index);
  trace?.({ kind: 'replicationPaused', to, progress: progress.view() });
  const message = draftMessage('MsgSnap', to);
  message.snapshot = snapshot;
  send(core, message);
  return true;
}
