import type { RaftCore, StepRefusal } from './core.ts';
import { takeVote } from './election.ts';
import type { Message } from './messages.ts';
import { receiveAppend, receiveHeartbeat, receiveSnapshot } from './receive-log.ts';
import { becomeFollower } from './roles.ts';

/** Candidate and pre-candidate: only the answers to the running round count. */
export function stepCandidate(core: RaftCore, message: Message): StepRefusal | undefined {
  switch (message.type) {
    case 'MsgProp':
      core.trace?.({ kind: 'droppedProposalWithoutLeader', term: core.term });
      return 'proposalDropped';
    case 'MsgApp':
      becomeFollower(core, message.term, message.from);
      receiveAppend(core, message);
      break;
    case 'MsgHeartbeat':
      becomeFollower(core, message.term, message.from);
      receiveHeartbeat(core, message);
      break;
    case 'MsgSnap':
      becomeFollower(core, message.term, message.from);
      receiveSnapshot(core, message);
      break;
    case 'MsgPreVoteResp':
      if (core.role === 'preCandidate') takeVote(core, message);
      break;
    case 'MsgVoteResp':
      if (core.role === 'candidate') takeVote(core, message);
      break;
    case 'MsgTimeoutNow': {
      const { term, role } = core;
      core.trace?.({ kind: 'ignoredTimeoutNow', term, role, from: message.from });
      break;
    }
    default: // Answers to what this node sent in another role.
  }
  return undefined;
}
