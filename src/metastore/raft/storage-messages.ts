// With asyncStorageWrites: work for the storage threads as messages, with the answers to release.
import { type RaftCore, draftMessage } from './core.ts';
import { APPEND_THREAD, APPLY_THREAD, type Entry, type Message } from './messages.ts';
import type { Ready } from './ready.ts';

export function needsStorageAppend(core: RaftCore, ready: Ready): boolean {
  return (
    ready.entries.length > 0 ||
    ready.hardState !== undefined ||
    ready.snapshot !== undefined ||
    core.messagesAfterAppend.length > 0
  );
}

/** Everything to write, and every answer that must wait for it. */
export function storageAppend(core: RaftCore, ready: Ready): Message {
  const message = draftMessage('MsgStorageAppend', APPEND_THREAD);
  message.from = core.id;
  message.entries = ready.entries;
  message.snapshot = ready.snapshot;
  if (ready.hardState !== undefined) {
    message.term = ready.hardState.term;
    message.vote = ready.hardState.vote;
    message.commit = ready.hardState.commit;
  }
  const stored = storageAppendAnswer(core, ready);
  const waiting = core.messagesAfterAppend;
  message.responses = stored === undefined ? waiting : [...waiting, stored];
  return message;
}

/**
 * Tells the node that its log is durable up to its present end. The term makes it void when the log was
 * rewritten in a later term while the write was under way (bug 13).
 */
export function storageAppendAnswer(core: RaftCore, ready: Ready): Message | undefined {
  const hasUnstable = core.log.unstable.entries.length > 0;
  if (!hasUnstable && ready.snapshot === undefined) return undefined;
  const answer = draftMessage('MsgStorageAppendResp', core.id);
  answer.from = APPEND_THREAD;
  answer.term = core.term;
  answer.snapshot = ready.snapshot;
  if (hasUnstable) {
    const last = core.log.lastEntry();
    answer.index = last.index;
    answer.logTerm = last.term;
  }
  return answer;
}

export function storageApply(core: RaftCore, entries: readonly Entry[]): Message {
  const message = draftMessage('MsgStorageApply', APPLY_THREAD);
  message.from = core.id;
  message.entries = entries;
  message.responses = [storageApplyAnswer(core, entries)];
  return message;
}

/** Belongs to no term: what is committed stays so. */
export function storageApplyAnswer(core: RaftCore, entries: readonly Entry[]): Message {
  const answer = draftMessage('MsgStorageApplyResp', core.id);
  answer.from = APPLY_THREAD;
  answer.entries = entries;
  return answer;
}
