// The replicated state machine: entries of the log in, writes and answers out. Every member computes the
// same from the same entries, however they are cut into batches: no clock, no chance, and no throw but for
// a broken engine or a content that is not the leader's.
import { crc32 } from '../../base/checksum.ts';
import {
  type CatalogEvent,
  CatalogState,
  Command,
  type CommandResult,
  type Refusal,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { Revision } from '../../segment/ids.ts';
import type { KvWrite } from '../engine/kv-engine.ts';
import { advanceClock } from './clock.ts';
import { clusterNumberOf } from './clusters.ts';
import { Draft, type DraftWrite } from './draft.ts';
import type { EngineBase } from './engine-base.ts';
import { isIndexKey } from './index-keys.ts';
import { withMark } from './hash-marks.ts';
import { clusterKey, feedKey, stateKey } from './keys.ts';
import { MAX_COMMAND_BYTES } from './limits.ts';
import { refusal } from './outcome.ts';
import { furtherKeysOf, keysOf } from './prefetch.ts';
import { refuseAll, runCommand } from './run-command.ts';

/** An entry of the replicated log; an empty command opens a term. */
export interface CommittedEntry {
  readonly index: bigint;
  readonly term: bigint;
  readonly command: Uint8Array;
}

/** One revision's events: one message of the feed (safety rule 30). */
export interface RevisionEvents {
  readonly revision: Revision;
  readonly events: readonly CatalogEvent[];
}

export interface AppliedBatch {
  readonly state: CatalogState;
  /** To be written as one batch of the engine: they carry the applied index. */
  readonly writes: readonly DraftWrite[];
  /** By index of the log. */
  readonly results: ReadonlyMap<bigint, CommandResult>;
  readonly revisions: readonly RevisionEvents[];
}

interface Decoded {
  readonly entry: CommittedEntry;
  /** Undefined for an empty entry. */
  readonly command: Command | Refusal | undefined;
}

/** `before` is what `readState` or the batch before gave; `base` holds exactly that, and is told what was written. */
export async function applyEntries(
  base: EngineBase,
  before: CatalogState,
  entries: readonly CommittedEntry[],
): Promise<AppliedBatch> {
  const decoded = entries.map(decodeEntry);
  await prefetch(base, decoded);
  const batch = new Draft(base);
  const results = new Map<bigint, CommandResult>();
  const revisions: RevisionEvents[] = [];
  let state = before;
  for (const { entry, command } of decoded) {
    const applied = await applyEntry(batch, state, { entry, command });
    state = withMark(applied.state);
    if (applied.result !== undefined) results.set(entry.index, applied.result);
    if (applied.events.length > 0) {
      const revision = { incarnation: state.incarnation, index: entry.index };
      revisions.push({ revision, events: applied.events });
    }
  }
  batch.put(CatalogState, stateKey(), state);
  return { state, writes: batch.writes, results, revisions };
}

function decodeEntry(entry: CommittedEntry): Decoded {
  if (entry.command.length === 0) return { entry, command: undefined };
  if (entry.command.length > MAX_COMMAND_BYTES) {
    return { entry, command: refusal('OVERLOADED', 'the command is larger than an entry may be') };
  }
  try {
    return { entry, command: Command.decode(entry.command) };
  } catch {
    return { entry, command: refusal('INVALID_ARGUMENT', 'the command is no message of ours') };
  }
}

function isCommand(command: Decoded['command']): command is Command {
  return command !== undefined && 'ops' in command;
}

async function prefetch(base: EngineBase, decoded: readonly Decoded[]): Promise<void> {
  const commands = decoded.map(({ command }) => command).filter(isCommand);
  await base.prefetch(commands.map(({ clusterId }) => clusterKey(clusterId)));
  const clusters = new Map<Command, number>();
  for (const command of commands) {
    const row = base.known(clusterKey(command.clusterId));
    if (row !== undefined) clusters.set(command, clusterNumberOf(row.value));
  }
  for (const keysOfStep of [keysOf, furtherKeysOf]) {
    const keys: Uint8Array[] = [];
    for (const [command, cluster] of clusters) keys.push(...keysOfStep(base, cluster, command));
    await base.prefetch(keys);
  }
}

interface AppliedEntry {
  readonly state: CatalogState;
  readonly result: CommandResult | undefined;
  readonly events: readonly CatalogEvent[];
}

async function applyEntry(
  batch: Draft,
  before: CatalogState,
  { entry, command }: Decoded,
): Promise<AppliedEntry> {
  const state = { ...before, appliedIndex: entry.index, appliedTerm: entry.term };
  if (command === undefined) return { state, result: undefined, events: [] };
  const revision = { incarnation: state.incarnation, index: entry.index };
  if (!isCommand(command)) {
    return { state, result: refuseAll({ seq: 0n, ops: [] }, revision, command), events: [] };
  }
  advanceClock(state, command.nowMs);
  const begun = batch.savepoint();
  const ran = await runCommand(batch, state, { command, revision });
  ran.rows.forEach((row, ordinal) => {
    batch.putBytes(feedKey(revision, ordinal), row);
  });
  return {
    state: { ...ran.state, hash: chainHash(ran.state.hash, entry.index, batch.writesSince(begun)) },
    result: ran.result,
    events: ran.events,
  };
}

/**
 * Per entry, so that it does not depend on how entries are cut into batches. Without the rows that follow from
 * others: an entry has the same hash under a state version that keeps fewer of them.
 */
function chainHash(seed: number, index: bigint, writes: readonly KvWrite[]): number {
  const covered = writes.filter((write) => !isIndexKey(keyOf(write)));
  hashed.begin(8 + covered.reduce((bytes, write) => bytes + bytesOf(write), 0));
  hashed.addNumber(index);
  for (const write of covered) {
    hashed.add(keyOf(write));
    if (write.kind === 'put') hashed.add(write.value);
    else if (write.kind === 'deleteRange') hashed.add(write.to);
  }
  return crc32(hashed.bytes(), seed);
}

function keyOf(write: KvWrite): Uint8Array {
  return write.kind === 'deleteRange' ? write.from : write.key;
}

function bytesOf(write: KvWrite): number {
  const rest = write.kind === 'put' ? write.value.length : 0;
  const to = write.kind === 'deleteRange' ? write.to.length : 0;
  return keyOf(write).length + rest + to;
}

/** What one hash covers, side by side; one piece of memory for all of them. */
class Scratch {
  private memory = Buffer.alloc(2 ** 16);
  private length = 0;

  begin(maxBytes: number): void {
    if (maxBytes > this.memory.length) this.memory = Buffer.alloc(maxBytes * 2);
    this.length = 0;
  }

  addNumber(value: bigint): void {
    this.length = this.memory.writeBigUInt64BE(value, this.length);
  }

  add(part: Uint8Array): void {
    this.memory.set(part, this.length);
    this.length += part.length;
  }

  bytes(): Uint8Array {
    return this.memory.subarray(0, this.length);
  }
}

const hashed = new Scratch();
