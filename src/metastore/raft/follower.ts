import { type MessageDraft, type RaftCore, type StepRefusal, send } from './core.ts';
import { startCampaign } from './election.ts';
import { type Message, NO_NODE } from './messages.ts';
import { receiveAppend, receiveHeartbeat, receiveSnapshot } from './receive-log.ts';

export function stepFollower(core: RaftCore, message: Message): StepRefusal | undefined {
  switch (message.type) {
    case 'MsgProp':
      return forwardProposal(core, message);
    case 'MsgApp':
      followLeader(core, message);
      receiveAppend(core, message);
      break;
    case 'MsgHeartbeat':
      followLeader(core, message);
      receiveHeartbeat(core, message);
      break;
    case 'MsgSnap':
      followLeader(core, message);
      receiveSnapshot(core, message);
      break;
    case 'MsgTransferLeader':
      if (core.lead !== NO_NODE) forward(core, message);
      else core.trace?.({ kind: 'droppedTransferWithoutLeader', term: core.term });
      break;
    default:
      stepWithoutLeader(core, message);
  }
  return undefined;
}

function stepWithoutLeader(core: RaftCore, message: Message): void {
  switch (message.type) {
    case 'MsgForgetLeader':
      forgetLeader(core);
      break;
    case 'MsgTimeoutNow':
      core.trace?.({ kind: 'receivedTimeoutNow', term: core.term, from: message.from });
      startCampaign(core, 'transfer');
      break;
    case 'MsgReadIndex':
      if (core.lead !== NO_NODE) forward(core, message);
      else core.trace?.({ kind: 'droppedReadWithoutLeader', term: core.term });
      break;
    case 'MsgReadIndexResp':
      takeReadAnswer(core, message);
      break;
    default: // Answers to what this node sent in another role.
  }
}

function followLeader(core: RaftCore, message: Message): void {
  core.electionElapsed = 0;
  core.lead = message.from;
}

function forwardProposal(core: RaftCore, message: Message): StepRefusal | undefined {
  const { lead, term } = core;
  if (lead === NO_NODE) {
    core.trace?.({ kind: 'droppedProposalWithoutLeader', term });
    return 'proposalDropped';
  }
  if (!core.settings.forwardsProposals) {
    core.trace?.({ kind: 'droppedProposalNotForwarded', lead, term });
    return 'proposalDropped';
  }
  forward(core, message);
  return undefined;
}

function forward(core: RaftCore, message: Message): void {
  const forwarded: MessageDraft = { ...message, to: core.lead };
  send(core, forwarded);
}

function forgetLeader(core: RaftCore): void {
  const { lead, term } = core;
  if (core.settings.readMode === 'leaseBased') return core.trace?.({ kind: 'ignoredForgetLeader' });
  if (lead === NO_NODE) return;
  core.trace?.({ kind: 'forgotLeader', lead, term });
  core.lead = NO_NODE;
}

function takeReadAnswer(core: RaftCore, { from, index, entries }: Message): void {
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) {
    const entryCount = entries.length;
    return core.trace?.({ kind: 'malformedReadResponse', from, entryCount });
  }
  core.readStates.push({ index, context: entry.data });
}
