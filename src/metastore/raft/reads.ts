// Linearizable reads on the leader: it names its commit index, once a quorum confirms that it leads.
import { type RaftCore, draftMessage, send } from './core.ts';
import { type Message, NO_BYTES, NO_NODE } from './messages.ts';
import { broadcastHeartbeat } from './replication.ts';

export function leaderReadIndex(core: RaftCore, request: Message): void {
  if (core.tracker.isSingleton()) return answerRead(core, request, core.log.commit);
  // Before an entry of this term is committed, the commit index may be behind what others have seen.
  if (!hasCommittedInTerm(core)) core.earlyReads.push(request);
  else confirmRead(core, request);
}

/** After the commit index moved. */
export function releaseEarlyReads(core: RaftCore): void {
  if (core.earlyReads.length === 0) return;
  if (!hasCommittedInTerm(core)) return core.trace?.({ kind: 'pendingReadsTooEarly' });
  const requests = core.earlyReads;
  core.earlyReads = [];
  for (const request of requests) confirmRead(core, request);
}

/** An answer to a heartbeat that carried a read. */
export function takeReadAck(core: RaftCore, message: Message): void {
  if (core.settings.readMode !== 'safe') return;
  if (message.context === undefined || message.context.length === 0) return;
  core.reads.acknowledge(message.from, message.context);
  for (const { request, index } of core.reads.takeConfirmed(core.tracker.config)) {
    answerRead(core, request, index);
  }
}

function hasCommittedInTerm(core: RaftCore): boolean {
  return core.log.termOrZero(core.log.commit) === core.term;
}

function confirmRead(core: RaftCore, request: Message): void {
  // Lease-based: for comparison only; a paused leader would answer stale reads (bug 17).
  if (core.settings.readMode === 'leaseBased') return answerRead(core, request, core.log.commit);
  core.reads.add(core.log.commit, request);
  core.reads.acknowledge(core.id, core.reads.heartbeatContext());
  broadcastHeartbeat(core);
}

function answerRead(core: RaftCore, request: Message, index: number): void {
  if (request.from === NO_NODE || request.from === core.id) {
    core.readStates.push({ index, context: request.entries[0]?.data ?? NO_BYTES });
    return;
  }
  const answer = draftMessage('MsgReadIndexResp', request.from);
  answer.index = index;
  answer.entries = request.entries;
  send(core, answer);
}
