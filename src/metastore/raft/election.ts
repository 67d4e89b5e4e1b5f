import { type RaftCore, draftMessage, send } from './core.ts';
import { type Message, type MessageType, NO_NODE } from './messages.ts';
import { allVoters, type VoteResult } from './quorum.ts';
import { becomeCandidate, becomeFollower, becomePreCandidate, isPromotable } from './roles.ts';
import { becomeLeader, broadcastAppend } from './replication.ts';

/** A transfer's campaign is asked for by the leader: it skips the pre-vote and is not held off by leases. */
export type Campaign = 'preElection' | 'election' | 'transfer';

/** In a vote request of a transfer. */
const TRANSFER_CONTEXT: Uint8Array = Uint8Array.from('CampaignTransfer', (letter) =>
  letter.charCodeAt(0),
);

export function startCampaign(core: RaftCore, campaign: Campaign): void {
  if (core.role === 'leader') return core.trace?.({ kind: 'ignoredHupAsLeader' });
  if (!isPromotable(core)) return core.trace?.({ kind: 'cannotCampaign' });
  // With a conf change unapplied it could be elected by a configuration of the past (bug 4).
  if (core.log.hasUnappliedConfChange()) {
    return core.trace?.({ kind: 'cannotCampaignWithUnappliedConfChange', term: core.term });
  }
  core.trace?.({ kind: 'electionStarted', term: core.term });
  askForVotes(core, campaign);
}

/** What an election timeout or an operator starts. */
export function usualCampaign(core: RaftCore): Campaign {
  return core.settings.preVote ? 'preElection' : 'election';
}

/** A granted or refused vote while candidate or pre-candidate. */
export function takeVote(core: RaftCore, message: Message): void {
  const { type, from, reject } = message;
  const { term } = core;
  core.trace?.({ kind: 'voteReceived', message: type, from, term, granted: !reject });
  core.tracker.recordVote(from, !reject);
  const { granted, rejected, result } = core.tracker.tallyVotes();
  core.trace?.({ kind: 'votesCounted', message: type, granted, rejected });
  finishElection(core, result);
}

/** Whether a vote request of a higher term is left unanswered, because the own leader is alive (bug 9). */
export function isHeldOffByLease(core: RaftCore, message: Message): boolean {
  const { checkQuorum, electionTicks } = core.settings;
  const inLease = checkQuorum && core.lead !== NO_NODE && core.electionElapsed < electionTicks;
  if (!inLease || isTransfer(message.context)) return false;
  if (core.trace !== undefined) {
    const remainingTicks = electionTicks - core.electionElapsed;
    core.trace({ kind: 'voteIgnoredInLease', remainingTicks, ...voteDecision(core, message) });
  }
  return true;
}

/** Decides on a vote request of the own term, or a pre-vote request of it or a higher one. */
export function answerVoteRequest(core: RaftCore, message: Message): void {
  const candidate = { term: message.logTerm, index: message.index };
  if (!canVoteFor(core, message) || !core.log.isUpToDate(candidate)) {
    return rejectVoteRequest(core, message);
  }
  core.trace?.({ kind: 'voteCast', ...voteDecision(core, message) });
  const answer = draftMessage(answerType(message.type), message.from);
  // A pre-vote is granted at the term the candidate would have.
  answer.term = message.term;
  send(core, answer);
  if (message.type !== 'MsgVote') return;
  core.electionElapsed = 0;
  core.vote = message.from;
}

/** Carries the own term, so that a candidate left behind catches up (bug 8). */
export function rejectVoteRequest(core: RaftCore, message: Message): void {
  core.trace?.({ kind: 'voteRejected', ...voteDecision(core, message) });
  const answer = draftMessage(answerType(message.type), message.from);
  answer.term = core.term;
  answer.reject = true;
  send(core, answer);
}

function finishElection(core: RaftCore, result: VoteResult): void {
  if (result === 'lost') becomeFollower(core, core.term, NO_NODE);
  if (result !== 'won') return;
  if (core.role === 'preCandidate') return askForVotes(core, 'election');
  becomeLeader(core);
  broadcastAppend(core);
}

/** Learners vote too when asked: the candidate may know of their promotion before they do (bug 5). */
function canVoteFor(core: RaftCore, message: Message): boolean {
  if (core.vote === message.from) return true;
  if (core.vote === NO_NODE && core.lead === NO_NODE) return true;
  return message.type === 'MsgPreVote' && message.term > core.term;
}

function askForVotes(core: RaftCore, campaign: Campaign): void {
  // Its removal may have been applied between the two rounds.
  if (!isPromotable(core)) core.trace?.({ kind: 'campaignedUnpromotable' });
  const type = campaign === 'preElection' ? 'MsgPreVote' : 'MsgVote';
  if (type === 'MsgPreVote') becomePreCandidate(core);
  else becomeCandidate(core);
  const term = type === 'MsgPreVote' ? core.term + 1 : core.term;
  for (const id of allVoters(core.tracker.config)) {
    if (id === core.id) {
      // Its own vote counts once it is durable, like everybody's (bug 10).
      const own = draftMessage(answerType(type), id);
      own.term = term;
      send(core, own);
    } else requestVote(core, { type, term, to: id, isTransfer: campaign === 'transfer' });
  }
}

interface VoteRequest {
  readonly type: 'MsgPreVote' | 'MsgVote';
  readonly term: number;
  readonly to: number;
  readonly isTransfer: boolean;
}

function requestVote(core: RaftCore, request: VoteRequest): void {
  const { term: lastTerm, index: lastIndex } = core.log.lastEntry();
  const { type, to } = request;
  core.trace?.({ kind: 'voteRequested', message: type, to, lastTerm, lastIndex, term: core.term });
  const message = draftMessage(type, to);
  message.term = request.term;
  message.index = lastIndex;
  message.logTerm = lastTerm;
  if (request.isTransfer) message.context = TRANSFER_CONTEXT;
  send(core, message);
}

function answerType(request: MessageType): 'MsgPreVoteResp' | 'MsgVoteResp' {
  return request === 'MsgPreVote' ? 'MsgPreVoteResp' : 'MsgVoteResp';
}

function isTransfer(context: Uint8Array | undefined): boolean {
  if (context?.length !== TRANSFER_CONTEXT.length) return false;
  return TRANSFER_CONTEXT.every((byte, at) => context[at] === byte);
}

function voteDecision(core: RaftCore, message: Message) {
  const last = core.log.lastEntry();
  return {
    message: message.type,
    from: message.from,
    lastTerm: last.term,
    lastIndex: last.index,
    vote: core.vote,
    term: core.term,
    candidateTerm: message.logTerm,
    candidateIndex: message.index,
  };
}
