// Messages, entries and states in the words of etcd's scripts.
import {
  asV2,
  type ConfChangeSingle,
  decodeConfChange,
} from '../../src/metastore/raft/conf-change.ts';
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  NO_NODE,
  type Snapshot,
} from '../../src/metastore/raft/messages.ts';
import type { ProgressState, ProgressView } from '../../src/metastore/raft/progress.ts';
import type { ReadState, Ready, Role } from '../../src/metastore/raft/ready.ts';

export const ROLE_NAMES: Readonly<Record<Role, string>> = {
  follower: 'StateFollower',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
  preCandidate: 'StatePreCandidate',
};

export const PROGRESS_NAMES: Readonly<Record<ProgressState, string>> = {
  probe: 'StateProbe',
  replicate: 'StateReplicate',
  snapshot: 'StateSnapshot',
};

const ENTRY_NAMES = {
  normal: 'EntryNormal',
  confChange: 'EntryConfChange',
  confChangeV2: 'EntryConfChangeV2',
} as const;

const CHANGE_LETTERS = {
  addNode: 'v',
  addLearnerNode: 'l',
  removeNode: 'r',
  updateNode: 'u',
} as const;

export function describeReady(ready: Ready): string {
  const { softState, hardState, readStates, entries, snapshot, committedEntries } = ready;
  let text = '';
  if (softState !== undefined) {
    text += `Lead:${softState.lead} State:${ROLE_NAMES[softState.role]}\n`;
  }
  if (hardState !== undefined) text += `HardState ${describeHardState(hardState)}\n`;
  if (readStates.length > 0) {
    text += `ReadStates [${readStates.map(describeReadState).join(' ')}]\n`;
  }
  if (entries.length > 0) text += `Entries:\n${describeEntries(entries)}`;
  if (snapshot !== undefined) text += `Snapshot ${describeSnapshot(snapshot)}\n`;
  if (committedEntries.length > 0) {
    text += `CommittedEntries:\n${describeEntries(committedEntries)}`;
  }
  if (ready.messages.length > 0) {
    const lines = ready.messages.map((message) => `${describeMessage(message)}\n`);
    text += `Messages:\n${lines.join('')}`;
  }
  return text === '' ? '<empty Ready>' : `Ready MustSync=${ready.mustSync}:\n${text}`;
}

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join('');
}

export function describeMessage(message: Message, indent = ''): string {
  const { from, to, type, term, logTerm, index, commit, vote, snapshot } = message;
  let text = `${indent}${describeTarget(from)}->${describeTarget(to)} ${type}`;
  text += ` Term:${term} Log:${logTerm}/${index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (commit !== 0) text += ` Commit:${commit}`;
  if (vote !== 0) text += ` Vote:${vote}`;
  text += describeMessageEntries(message.entries, indent);
  if (snapshot !== undefined && snapshot.index !== 0) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`;
  }
  const responses = message.responses ?? [];
  if (responses.length > 0) {
    const lines = responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join('')}\n${indent}]`;
  }
  return text;
}

export function describeProgress(progress: ProgressView): string {
  const { state, match, next, pendingSnapshot, inflightMessages } = progress;
  let text = `${PROGRESS_NAMES[state]} match=${match} next=${next}`;
  if (progress.isLearner) text += ' learner';
  if (progress.isPaused) text += ' paused';
  if (pendingSnapshot > 0) text += ` pendingSnap=${pendingSnapshot}`;
  if (!progress.isRecentlyActive) text += ' inactive';
  if (inflightMessages > 0) {
    text += ` inflight=${inflightMessages}${progress.isInflightFull ? '[full]' : ''}`;
  }
  return text;
}

export function describeConfig(config: ConfState): string {
  let text = `voters=${idSet(config.voters)}`;
  if (config.votersOutgoing.length > 0) text += `&&${idSet(config.votersOutgoing)}`;
  if (config.learners.length > 0) text += ` learners=${idSet(config.learners)}`;
  if (config.learnersNext.length > 0) text += ` learners_next=${idSet(config.learnersNext)}`;
  return config.autoLeave ? `${text} autoleave` : text;
}

/** As Go prints a byte string with %q. */
export function quote(data: Uint8Array): string {
  let text = '';
  for (const byte of data) {
    if (byte === 34 || byte === 92) text += `\\${String.fromCodePoint(byte)}`;
    else if (byte >= 32 && byte < 127) text += String.fromCodePoint(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"`;
}

function describeMessageEntries(entries: readonly Entry[], indent: string): string {
  const [first] = entries;
  if (first === undefined) return '';
  if (entries.length === 1) return ` Entries:[${describeEntry(first)}]`;
  const lines = entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`);
  return ` Entries:[${lines.join('')}\n${indent}]`;
}

function describeEntry(entry: Entry): string {
  const change = decodeConfChange(entry);
  const content = change === undefined ? quote(entry.data) : changesText(asV2(change).changes);
  return `${entry.term}/${entry.index} ${ENTRY_NAMES[entry.type]}${content === '' ? '' : ` ${content}`}`;
}

function changesText(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${CHANGE_LETTERS[type]}${nodeId}`).join(' ');
}

function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === 0 ? '' : ` Vote:${vote}`} Commit:${commit}`;
}

function describeSnapshot({ index, term, confState }: Snapshot): string {
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

function describeConfState(conf: ConfState): string {
  return (
    `Voters:${list(conf.voters)} VotersOutgoing:${list(conf.votersOutgoing)} ` +
    `Learners:${list(conf.learners)} LearnersNext:${list(conf.learnersNext)} ` +
    `AutoLeave:${conf.autoLeave}`
  );
}

function describeReadState({ index, context }: ReadState): string {
  return `{${index} ${list([...context])}}`;
}

function describeTarget(id: number): string {
  if (id === NO_NODE) return 'None';
  if (id === APPEND_THREAD) return 'AppendThread';
  if (id === APPLY_THREAD) return 'ApplyThread';
  return hex(id);
}

export function hex(id: number): string {
  return id.toString(16);
}

export function idSet(ids: readonly number[]): string {
  return `(${ids
    .toSorted((a, b) => a - b)
    .map(hex)
    .join(' ')})`;
}

function list(numbers: readonly number[]): string {
  return `[${numbers.join(' ')}]`;
}
