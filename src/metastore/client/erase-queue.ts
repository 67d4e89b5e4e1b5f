// The delete queue as erasers see it (src/uploader/segment-ledger.ts, EraseQueue).
import { LogtierError } from '../../base/errors.ts';
import type { PartitionId, SegmentId } from '../../segment/ids.ts';
import { segmentId } from '../../segment/ids.ts';
import type { CommandChannel } from './command-channel.ts';
import type { MetastoreQueries } from './metastore-queries.ts';
import { partitionIdOf } from './records.ts';

export interface QueuedObject {
  readonly id: PartitionId;
  readonly segmentId: SegmentId;
  readonly store: string;
  readonly objectKey: string;
  readonly uploadIds: readonly string[];
  readonly objectBytes: number;
  readonly everFinished: boolean;
  readonly passes: number;
  readonly queuedMs: number;
}

export interface QueuedPrefix {
  readonly id: PartitionId;
  readonly store: string;
  readonly keyPrefix: string;
  readonly emptyListings: number;
}

export class MetastoreEraseQueue {
  private readonly channel: CommandChannel;
  private readonly queries: MetastoreQueries;

  constructor(channel: CommandChannel, queries: MetastoreQueries) {
    this.channel = channel;
    this.queries = queries;
  }

  async lease(share: string, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    const value = { lease: share, ttlMs: BigInt(ttlMs) };
    const { answers } = await this.channel.submit([{ $case: 'acquireLease', value }], signal);
    const [answer] = answers;
    return answer?.$case === 'lease' && answer.value.granted;
  }

  /** By the replicated clock: it stands still while a jump waits for an operator (rule 8). */
  async due(
    stores: readonly string[],
    limit: number,
    signal: AbortSignal,
  ): Promise<{
    readonly objects: readonly QueuedObject[];
    readonly prefixes: readonly QueuedPrefix[];
  }> {
    const { replicatedClockMs } = await this.queries.status(signal);
    // A clock at zero has never moved: nothing can be due, and zero would ask for all.
    if (replicatedClockMs === 0n) return { objects: [], prefixes: [] };
    const value = { dueBeforeMs: replicatedClockMs, limit, stores: [...stores] };
    const { answer } = await this.queries.ask({ $case: 'eraseQueue', value }, signal);
    if (answer.$case !== 'eraseQueue') {
      throw new LogtierError('METASTORE_UNAVAILABLE', 'the metastore answered something else');
    }
    return {
      objects: answer.value.objects.map((entry) => ({
        id: partitionIdOf(entry.partition),
        segmentId: segmentId(entry.segmentId),
        store: entry.store,
        objectKey: entry.objectKey,
        uploadIds: entry.uploadIds,
        objectBytes: Number(entry.objectBytes),
        everFinished: entry.everFinished,
        passes: entry.passes,
        queuedMs: Number(entry.queuedMs),
      })),
      prefixes: answer.value.prefixes.map((entry) => ({
        id: partitionIdOf(entry.partition),
        store: entry.store,
        keyPrefix: entry.keyPrefix,
        emptyListings: entry.emptyListings,
      })),
    };
  }

  async erased(task: QueuedObject, signal: AbortSignal): Promise<void> {
    const value = { partition: { ...task.id }, segmentId: task.segmentId };
    await this.channel.submit([{ $case: 'objectErased', value }], signal);
  }

  async passed(task: QueuedObject, waitMs: number, signal: AbortSignal): Promise<void> {
    const { id, segmentId: name } = task;
    const value = { partition: { ...id }, segmentId: name, waitMs: BigInt(waitMs) };
    await this.channel.submit([{ $case: 'recordErasePass', value }], signal);
  }

  async listed(
    task: QueuedPrefix,
    empty: boolean,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { id, store, keyPrefix } = task;
    const value = { partition: { ...id }, store, keyPrefix, empty, waitMs: BigInt(waitMs) };
    await this.channel.submit([{ $case: 'prefixListedEmpty', value }], signal);
  }
}
