// Deliberate breaks of the Raft core: each must be caught. test/mutants/README.md says how to read them.

export interface Mutant {
  /** What is wrong with it, as an operator would put it. */
  readonly bug: string;
  /** In src/metastore/raft. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly find: string;
  readonly replace: string;
}

export const raftMutants: readonly Mutant[] = [
  {
    bug: 'what half of the voters have counts as committed',
    file: 'quorum.ts',
    find: 'ascending[(voters.length - 1) >> 1]',
    replace: 'ascending[voters.length >> 1]',
  },
  {
    bug: 'half of the voters elect a leader',
    file: 'quorum.ts',
    find: '(voters.length >> 1) + 1',
    replace: '(voters.length + 1) >> 1',
  },
  {
    bug: 'the outgoing half of a joint membership is not asked what is committed',
    file: 'quorum.ts',
    find: 'return Math.min(incoming, majorityIndex(config.votersOutgoing, acked));',
    replace: 'return incoming;',
  },
  {
    bug: 'the outgoing half of a joint membership does not vote',
    file: 'quorum.ts',
    find: 'if (incoming === outgoing) return incoming;',
    replace: 'if (incoming !== undefined) return incoming;',
  },
  {
    bug: 'entries of an older term are committed by counting copies',
    file: 'raft-log.ts',
    find: ' || !this.hasTerm(index, term)',
    replace: '',
  },
  {
    bug: 'a candidate with a shorter log gets the vote',
    file: 'raft-log.ts',
    find: 'their.term > own.term ||',
    replace: 'their.term >= own.term ||',
  },
  {
    bug: 'a follower commits entries that the append did not compare',
    file: 'raft-log.ts',
    find: 'this.commitTo(Math.min(commit, lastNew));',
    replace: 'this.commitTo(Math.min(commit, this.lastIndex()));',
  },
  {
    bug: 'a committed entry is applied before it is in the local log',
    file: 'raft-log.ts',
    find: 'return allowUnstable ? this.commit : Math.min(this.commit, this.unstable.offset - 1);',
    replace: 'return this.commit;',
  },
  {
    bug: 'entries are handed out while a snapshot waits to be written',
    file: 'raft-log.ts',
    find: 'this.#isApplyingPaused || this.unstable.snapshot !== undefined',
    replace: 'this.#isApplyingPaused',
  },
  {
    bug: 'the limit of bytes being applied does not hold',
    file: 'raft-log.ts',
    find: 'this.#applyingBytes += entriesBytes(entries);',
    replace: '',
  },
  {
    bug: 'an old storage answer makes entries stable that replaced those it wrote',
    file: 'unstable-log.ts',
    find: 'if (unstableTerm !== term) {',
    replace: 'if (unstableTerm < 0) {',
  },
  {
    bug: 'entries that are written again after a conflict count as under way already',
    file: 'unstable-log.ts',
    find: 'this.offsetInProgress = Math.min(this.offsetInProgress, from);',
    replace: '',
  },
  {
    bug: 'a storage answer of an older term is believed',
    file: 'step.ts',
    find: "else if (type === 'MsgStorageAppendResp') takeOldStorageAnswer(core, message);",
    replace: "else if (type === 'MsgStorageAppendResp') takeStorageAnswer(core, message);",
  },
  {
    bug: 'a stuck node with a higher term is not told so',
    file: 'step.ts',
    find: 'if ((checkQuorum || preVote) && (',
    replace: 'if (checkQuorum && preVote && (',
  },
  {
    bug: 'a question for votes raises the term',
    file: 'step.ts',
    find: "if (type === 'MsgPreVote' || (",
    replace: 'if ((',
  },
  {
    bug: 'a node votes twice in one term',
    file: 'election.ts',
    find: 'if (core.vote === NO_NODE && core.lead === NO_NODE) return true;',
    replace: 'if (core.lead === NO_NODE) return true;',
  },
  {
    bug: 'a vote is not remembered',
    file: 'election.ts',
    find: 'core.vote = message.from;',
    replace: '',
  },
  {
    bug: 'a candidate runs with a membership change it has not applied',
    file: 'election.ts',
    find: 'if (core.log.hasUnappliedConfChange()) {',
    replace: 'if (core.term < 0) {',
  },
  {
    bug: 'a granted pre-vote carries the own term, which the asker ignores',
    file: 'election.ts',
    find: 'answer.term = message.term;',
    replace: 'answer.term = core.term;',
  },
  {
    bug: 'a rejected pre-vote does not carry the higher term',
    file: 'election.ts',
    find: 'answer.term = core.term;\n  answer.reject = true;',
    replace: 'answer.term = message.term;\n  answer.reject = true;',
  },
  {
    bug: 'faith in the leader blocks a transfer of leadership',
    file: 'election.ts',
    find: 'if (!inLease || isTransfer(message.context)) return false;',
    replace: 'if (!inLease) return false;',
  },
  {
    bug: 'a cut-off node can unseat a leader that everybody hears',
    file: 'election.ts',
    find: 'if (!inLease || isTransfer(message.context)) return false;',
    replace: 'return false;',
  },
  {
    bug: 'a lost election goes on',
    file: 'election.ts',
    find: "if (result === 'lost') becomeFollower(core, core.term, NO_NODE);",
    replace: '',
  },
  {
    bug: 'granted questions count as votes',
    file: 'candidate.ts',
    find: "if (core.role === 'preCandidate') takeVote(core, message);",
    replace: 'takeVote(core, message);',
  },
  {
    bug: 'the vote of the last term binds in the next',
    file: 'roles.ts',
    find: 'core.vote = NO_NODE;',
    replace: '',
  },
  {
    bug: 'a new leader believes that everybody has its log',
    file: 'roles.ts',
    find: 'const match = id === core.id ? lastIndex : 0;',
    replace: 'const match = lastIndex;',
  },
  {
    bug: 'a new leader takes a membership change while an older one waits',
    file: 'roles.ts',
    find: 'core.pendingConfIndex = core.log.lastIndex();',
    replace: '',
  },
  {
    bug: 'a node campaigns with a snapshot it has not written',
    file: 'roles.ts',
    find: ' && core.log.unstable.snapshot === undefined',
    replace: '',
  },
  {
    bug: 'reads of an earlier leadership are confirmed by acknowledgements of this one',
    file: 'roles.ts',
    find: 'core.reads = new ReadIndexQueue();',
    replace: '',
  },
  {
    bug: 'a second membership change is taken before the first is applied',
    file: 'proposals.ts',
    find: 'if (pendingIndex > appliedIndex) return',
    replace: 'if (pendingIndex < 0) return',
  },
  {
    bug: 'proposals are taken while leadership is handed over',
    file: 'proposals.ts',
    find: 'if (core.transferee !== NO_NODE) {',
    replace: 'if (core.transferee < 0) {',
  },
  {
    bug: 'a heartbeat commits what the follower may not have',
    file: 'replication.ts',
    find: 'message.commit = Math.min(progress.match, core.log.commit);',
    replace: 'message.commit = core.log.commit;',
  },
  {
    bug: 'a large proposal is refused by an idle leader for ever',
    file: 'replication.ts',
    find: 'if (core.uncommittedBytes > 0 && bytes > 0 &&',
    replace: 'if (bytes > 0 &&',
  },
  {
    bug: 'more is sent to a follower than the window takes',
    file: 'replication.ts',
    find: "progress.state === 'replicate' && progress.inflights.isFull()",
    replace: 'progress.match < 0',
  },
  {
    bug: 'a snapshot goes to a node that was silent',
    file: 'replication.ts',
    find: 'if (!progress.isRecentlyActive) {',
    replace: 'if (progress.match < 0) {',
  },
  {
    bug: 'an old rejection moves a probing follower back',
    file: 'progress.ts',
    find: 'if (this.next - 1 !== rejected) return false;',
    replace: '',
  },
  {
    bug: 'after a snapshot a follower is probed from before it',
    file: 'progress.ts',
    find: 'this.next = Math.max(this.match, pendingSnapshot) + 1;',
    replace: 'this.next = this.match + 1;',
  },
  {
    bug: 'an acknowledged message keeps its place in the window',
    file: 'inflights.ts',
    find: '(this.#lastIndexes[this.#start] ?? 0) <= index',
    replace: '(this.#lastIndexes[this.#start] ?? 0) < index',
  },
  {
    bug: 'a rejection leaves the follower in the fast state',
    file: 'leader.ts',
    find: "if (progress.state === 'replicate') progress.becomeProbe();\n  sendAppend(core, from);",
    replace: 'sendAppend(core, from);',
  },
  {
    bug: 'a follower learns of the last commit only with the next heartbeat',
    file: 'leader.ts',
    find: 'progress.canBumpCommit(core.log.commit)',
    replace: 'progress.match < 0',
  },
  {
    bug: 'a leader without a quorum never notices',
    file: 'leader.ts',
    find: 'if (id !== core.id) progress.isRecentlyActive = false;',
    replace: '',
  },
  {
    bug: 'a failed snapshot counts as one that arrived',
    file: 'leader.ts',
    find: 'if (reject) progress.pendingSnapshot = 0;',
    replace: '',
  },
  {
    bug: 'a read is answered before the leader committed an entry of its term',
    file: 'reads.ts',
    find: 'if (!hasCommittedInTerm(core)) core.earlyReads.push(request);',
    replace: 'if (core.term < 0) core.earlyReads.push(request);',
  },
  {
    bug: 'a late acknowledgement takes back a newer one',
    file: 'read-index.ts',
    find: 'Math.max(this.#acks.get(from) ?? 0, number)',
    replace: 'number',
  },
  {
    bug: 'an append from before the commit index is compared with a log that may be gone',
    file: 'receive-log.ts',
    find: 'if (message.index < log.commit) return acknowledge(core, message.from, log.commit);',
    replace: '',
  },
  {
    bug: 'a snapshot of what is committed already throws the log away',
    file: 'restore-snapshot.ts',
    find: 'if (snapshot.index <= log.commit) return false;',
    replace: 'if (snapshot.index < log.commit) return false;',
  },
  {
    bug: 'a restored snapshot does not bring its membership',
    file: 'restore-snapshot.ts',
    find: 'restoreConfig(core, confState);',
    replace: '',
  },
  {
    bug: 'a snapshot that the log reaches beyond throws its tail away',
    file: 'restore-snapshot.ts',
    find: 'if (log.hasTerm(index, term)) {',
    replace: 'if (index < 0) {',
  },
  {
    bug: 'a demoted voter becomes a learner while its vote still counts',
    file: 'membership-draft.ts',
    find: 'if (this.#outgoing.has(id)) {',
    replace: 'if (id < 0) {',
  },
  {
    bug: 'two voters are changed in one simple step',
    file: 'membership.ts',
    find: 'if (difference(current.config.voters, draft.incoming) > 1) {',
    replace: 'if (difference(current.config.voters, draft.incoming) > 2) {',
  },
  {
    bug: 'a removed leader goes on leading',
    file: 'config-switch.ts',
    find: 'if (core.settings.stepsDownOnRemoval) becomeFollower(core, core.term, NO_NODE);',
    replace: '',
  },
  {
    bug: 'what a smaller membership already agrees on waits for the next acknowledgement',
    file: 'config-switch.ts',
    find: 'if (maybeCommit(core)) broadcastAppend(core);',
    replace: 'if (core.term < 0) broadcastAppend(core);',
  },
  {
    bug: 'a joint membership is left before it is applied',
    file: 'applied.ts',
    find: 'config.autoLeave && applied >= core.pendingConfIndex && ',
    replace: 'config.autoLeave && ',
  },
  {
    bug: 'entries are acknowledged before they are durable',
    file: 'core.ts',
    find: 'message.term = core.term;\n      core.messagesAfterAppend.push(message);',
    replace: 'message.term = core.term;\n      core.messages.push(message);',
  },
  {
    bug: 'a vote leaves before it is durable',
    file: 'core.ts',
    find: "case 'MsgPreVoteResp':\n      core.messagesAfterAppend.push(message);",
    replace: "case 'MsgPreVoteResp':\n      core.messages.push(message);",
  },
  {
    bug: 'a new vote alone is not synced to disk',
    file: 'raw-node.ts',
    find: 'mustSync: entries.length > 0 || isVoteNew,',
    replace: 'mustSync: entries.length > 0,',
  },
  {
    bug: 'a transfer that does not finish blocks proposals for ever',
    file: 'tick.ts',
    find: '    core.transferee = NO_NODE;\n',
    replace: '',
  },
  {
    bug: "a follower campaigns in spite of its leader's messages",
    file: 'follower.ts',
    find: 'core.electionElapsed = 0;',
    replace: '',
  },
  {
    bug: 'a message over the limit by one byte still goes',
    file: 'entry-size.ts',
    find: 'if (bytes > maxBytes && cut > start) break;',
    replace: 'if (bytes > maxBytes + 1 && cut > start) break;',
  },
];
