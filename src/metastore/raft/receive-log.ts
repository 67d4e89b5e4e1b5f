// A follower's side of replication: what the leader of its term sends, and the answers.
import { type RaftCore, draftMessage, send } from './core.ts';
import type { Message } from './messages.ts';
import { restoreSnapshot } from './restore-snapshot.ts';
import { EMPTY_CONFIG } from './tracker.ts';

export function receiveAppend(core: RaftCore, message: Message): void {
  const { log } = core;
  if (message.index < log.commit) return acknowledge(core, message.from, log.commit);
  const previous = { term: message.logTerm, index: message.index };
  const lastNew = log.maybeAppend(previous, message.entries, message.commit);
  if (lastNew !== undefined) return acknowledge(core, message.from, lastNew);
  rejectAppend(core, message);
}

export function receiveHeartbeat(core: RaftCore, message: Message): void {
  core.log.commitTo(message.commit);
  const answer = draftMessage('MsgHeartbeatResp', message.from);
  answer.context = message.context;
  send(core, answer);
}

export function receiveSnapshot(core: RaftCore, message: Message): void {
  const snapshot = message.snapshot ?? { index: 0, term: 0, confState: EMPTY_CONFIG };
  const isRestored = restoreSnapshot(core, snapshot);
  const { index, term } = snapshot;
  const { commit } = core.log;
  const kind = isRestored ? 'snapshotRestored' : 'snapshotIgnored';
  core.trace?.({ kind, commit, index, term });
  acknowledge(core, message.from, isRestored ? core.log.lastIndex() : commit);
}

/** Everything up to `index` agrees with the leader, and will be durable before this leaves. */
function acknowledge(core: RaftCore, to: number, index: number): void {
  const answer = draftMessage('MsgAppResp', to);
  answer.index = index;
  send(core, answer);
}

/** The hint skips, in one round, all entries of terms that the leader's log cannot have there. */
function rejectAppend(core: RaftCore, message: Message): void {
  const { log } = core;
  const { from, index, logTerm } = message;
  if (core.trace !== undefined) {
    core.trace({ kind: 'appendRejected', from, index, ownTerm: log.termOrZero(index), logTerm });
  }
  const hint = log.conflictByTerm(Math.min(index, log.lastIndex()), logTerm);
  const answer = draftMessage('MsgAppResp', from);
  answer.index = index;
  answer.reject = true;
  answer.rejectHint = hint.index;
  answer.logTerm = hint.term;
  send(core, answer);
}
