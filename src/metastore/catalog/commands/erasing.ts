// What erasers report. No partition token: the decision to erase is in the log already (rule 25).
import {
  EraseEntry,
  ErasePrefix,
  type ObjectErased,
  type PartitionRef,
  type PrefixListedEmpty,
  type RecordErasePass,
} from '../../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from '../context.ts';
import { dequeue, postponeObject, prefixRowKey, queuePrefix } from '../erase-queue.ts';
import { eraseKey } from '../keys.ts';
import { MAX_WAIT_MS } from '../limits.ts';
import { parseAddress, parseSegmentId } from '../names.ts';
import { done, type Outcome, refuse } from '../outcome.ts';

interface OfObject {
  readonly partition: PartitionRef | undefined;
  readonly segmentId: string;
}

interface QueuedObject {
  readonly key: Uint8Array;
  readonly entry: EraseEntry | undefined;
}

/** What was never finished is erased twice, a late window apart, before it may be forgotten (rule 24). */
export async function objectErased(
  context: CommandContext,
  command: ObjectErased,
): Promise<Outcome> {
  const queued = await findObject(context, command);
  if (queued === undefined) return refuse('INVALID_ARGUMENT', 'no object can have this name');
  const { key, entry } = queued;
  if (entry === undefined) return done();
  if (!entry.everFinished && (entry.passes === 0 || entry.dueMs > context.state.clockMs)) {
    return refuse('ILLEGAL_TRANSITION', `a late writer may still write ${entry.objectKey}`);
  }
  dequeue(context, key, entry.dueMs);
  context.state.eraseQueue -= 1n;
  return done();
}

export async function recordErasePass(
  context: CommandContext,
  command: RecordErasePass,
): Promise<Outcome> {
  const queued = await findObject(context, command);
  if (queued === undefined || command.waitMs > MAX_WAIT_MS) {
    return refuse('INVALID_ARGUMENT', 'no object can have this name, or the wait is too long');
  }
  const { key, entry } = queued;
  if (entry === undefined) return done();
  dequeue(context, key, entry.dueMs);
  const dueMs = context.state.clockMs + command.waitMs;
  postponeObject(context, key, { ...entry, dueMs, passes: entry.passes + 1 });
  return done();
}

async function findObject(
  context: CommandContext,
  command: OfObject,
): Promise<QueuedObject | undefined> {
  const address = parseAddress(context.cluster, command.partition);
  const id = parseSegmentId(command.segmentId);
  if (address === undefined || id === undefined) return undefined;
  const key = eraseKey(address, id);
  return { key, entry: await context.draft.row(EraseEntry, key) };
}

/** Two empty listings a grace apart end the entry; what is found between them starts the count anew. */
export async function prefixListedEmpty(
  context: CommandContext,
  command: PrefixListedEmpty,
): Promise<Outcome> {
  const address = parseAddress(context.cluster, command.partition);
  if (address === undefined || command.waitMs > MAX_WAIT_MS) {
    return refuse('INVALID_ARGUMENT', 'no partition can have this name, or the wait is too long');
  }
  const key = prefixRowKey(address, command);
  const row = await context.draft.row(ErasePrefix, key);
  if (row === undefined) return done();
  if (row.dueMs > context.state.clockMs) {
    return refuse('ILLEGAL_TRANSITION', `the prefix ${row.keyPrefix} is not due yet`);
  }
  dequeue(context, key, row.dueMs);
  const emptyListings = command.empty ? row.emptyListings + 1 : 0;
  if (emptyListings >= 2) return done();
  const dueMs = context.state.clockMs + command.waitMs;
  queuePrefix(context, address, { ...row, emptyListings, dueMs });
  return done();
}
