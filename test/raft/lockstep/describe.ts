// All that can be seen of a core, as text: every field, in one fixed order. test/raft/oracle/describe.go
// writes the same forms.
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type Entry,
  type EntryType,
  type Message,
  type Snapshot,
} from '../../../src/metastore/raft/messages.ts';
import type { Ready } from '../../../src/metastore/raft/ready.ts';
import type { Status } from '../../../src/metastore/raft/status.ts';
import { PROGRESS_NAMES, ROLE_NAMES } from '../describe.ts';

const ENTRY_NUMBERS: Readonly<Record<EntryType, number>> = {
  normal: 0,
  confChange: 1,
  confChangeV2: 2,
};

export function readyText(ready: Ready): string {
  const { softState, hardState } = ready;
  let text = softState === undefined ? '' : `${softState.lead} ${ROLE_NAMES[softState.role]}`;
  text += ';';
  if (hardState !== undefined) {
    text += `${hardState.term} ${hardState.vote} ${hardState.commit} `;
  }
  text += ';';
  for (const { index, context } of ready.readStates) text += `${index} ${bytesText(context)}`;
  return (
    `${text};${entriesText(ready.entries)}${snapshotText(ready.snapshot)}` +
    `${entriesText(ready.committedEntries)}${messagesText(ready.messages)}${flag(ready.mustSync)}`
  );
}

/** Leaves out autoLeave of the membership, which etcd's status does not carry over. */
export function statusText(status: Status): string {
  const { id, hardState, lead, applied, transferee, role, config } = status;
  const { term, vote, commit } = hardState;
  let text = `${id} ${term} ${vote} ${commit} ${lead} ${applied} ${transferee} `;
  text += `${ROLE_NAMES[role]} ${membersText(config)}`;
  for (const [peer, progress] of status.progress) {
    const { match, next, pendingSnapshot, isRecentlyActive, isPaused, isLearner } = progress;
    text += ` ${peer}:${PROGRESS_NAMES[progress.state]} ${match} ${next} ${pendingSnapshot} `;
    text += `${flag(isRecentlyActive)}${flag(isPaused)}${flag(isLearner)}`;
    text += `${progress.inflightMessages} ${flag(progress.isInflightFull)}`;
  }
  return text;
}

export function confText(conf: ConfState): string {
  return `${membersText(conf)}${flag(conf.autoLeave)}`;
}

function membersText({ voters, learners, votersOutgoing, learnersNext }: ConfState): string {
  let text = '';
  for (const ids of [voters, learners, votersOutgoing, learnersNext]) {
    for (const id of ids.toSorted((a, b) => a - b)) text += `${id}.`;
    text += '/';
  }
  return text;
}

function messagesText(messages: readonly Message[]): string {
  let text = '[';
  for (const message of messages) text += messageText(message);
  return `${text}] `;
}

function messageText(m: Message): string {
  const context = m.context === undefined ? '' : Buffer.from(m.context).toString('hex');
  return (
    `${m.type} ${target(m.from)} ${target(m.to)} ${m.term} ${m.logTerm} ${m.index} ${m.commit} ` +
    `${m.vote} ${flag(m.reject)}${m.rejectHint} ${context} ` +
    `${entriesText(m.entries)}${snapshotText(m.snapshot)}${messagesText(m.responses ?? [])}`
  );
}

function entriesText(entries: readonly Entry[]): string {
  let text = '[';
  for (const { term, index, type, data } of entries) {
    text += `${term} ${index} ${ENTRY_NUMBERS[type]} ${bytesText(data)}`;
  }
  return `${text}] `;
}

function snapshotText(snapshot: Snapshot | undefined): string {
  if (snapshot === undefined || snapshot.index === 0) return '- ';
  const { index, term, confState, data } = snapshot;
  return `${index} ${term} ${confText(confState)} ${bytesText(data ?? new Uint8Array(0))}`;
}

/** The length and a checksum (FNV-1a). */
function bytesText(data: Uint8Array): string {
  let sum = 2166136261;
  for (const byte of data) sum = Math.imul(sum ^ byte, 16777619);
  return `${data.length}:${(sum >>> 0).toString(16)} `;
}

function target(id: number): string {
  if (id === APPEND_THREAD) return 'append';
  return id === APPLY_THREAD ? 'apply' : String(id);
}

function flag(on: boolean): string {
  return on ? 'y ' : 'n ';
}
