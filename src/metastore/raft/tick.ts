import { type RaftCore, draftMessage } from './core.ts';
import { startCampaign, usualCampaign } from './election.ts';
import { stepLeader } from './leader.ts';
import { NO_NODE } from './messages.ts';
import { isPromotable } from './roles.ts';

export function tick(core: RaftCore): void {
  if (core.role === 'leader') tickLeader(core);
  else tickElection(core);
}

function tickElection(core: RaftCore): void {
  core.electionElapsed++;
  if (core.electionElapsed < core.randomizedElectionTicks || !isPromotable(core)) return;
  core.electionElapsed = 0;
  startCampaign(core, usualCampaign(core));
}

function tickLeader(core: RaftCore): void {
  core.heartbeatElapsed++;
  core.electionElapsed++;
  if (core.electionElapsed >= core.settings.electionTicks) {
    core.electionElapsed = 0;
    if (core.settings.checkQuorum) stepLeader(core, draftMessage('MsgCheckQuorum', NO_NODE));
    core.transferee = NO_NODE;
  }
  // The check may have ended its leadership.
  if (core.role !== 'leader' || core.heartbeatElapsed < core.settings.heartbeatTicks) return;
  core.heartbeatElapsed = 0;
  stepLeader(core, draftMessage('MsgBeat', NO_NODE));
}
