// Fenced changes of partitions: the shape that the uploader asks for (src/uploader/segment-ledger.ts).
import { hasCode, LogtierError } from '../../base/errors.ts';
import { DeleteReason, RemoteStartMover, TopicMode } from '../../gen/logtier/v1/catalog_command.ts';
import type { Lineage } from '../../kafka/lineage.ts';
import {
  type FenceToken,
  type PartitionId,
  partitionKey,
  type Revision,
  type SegmentId,
} from '../../segment/ids.ts';
import type { SegmentRecord } from '../../segment/segment-record.ts';
import type { AnyOp, CommandChannel } from './command-channel.ts';
import { messageOf, recordOf, revisionOf } from './records.ts';

export interface LedgerClaimRequest {
  readonly id: PartitionId;
  readonly topic: string;
  readonly leaderEpoch: number;
  readonly lineage: Lineage;
  readonly brokerLocalStart: bigint;
  /** Becomes the remote start with the partition's very first claim; ignored ever after. */
  readonly initialRemoteStart: bigint;
}

export interface LedgerClaim {
  readonly id: PartitionId;
  readonly topic: string;
  readonly leaderEpoch: number;
  readonly token: FenceToken;
  readonly revision: Revision;
  readonly lineage: Lineage;
  readonly remoteStart: bigint;
}

export type LedgerIntent = Omit<
  SegmentRecord,
  'state' | 'fenceToken' | 'uploadIds' | 'eventTimestampMs' | 'adopted'
> & { readonly brokerLineage: Lineage; readonly brokerLocalStart: bigint };

type LedgerDeleteReason = 'RETENTION_TIME' | 'RETENTION_BYTES' | 'DIVERGED' | 'OPERATOR';

export interface LedgerDelete {
  readonly segmentId: SegmentId;
  readonly reason: LedgerDeleteReason;
  readonly contradiction?: { readonly epoch: number; readonly startOffset: bigint };
}

const REASONS: Record<LedgerDeleteReason, DeleteReason> = {
  RETENTION_TIME: DeleteReason.RETENTION_TIME,
  RETENTION_BYTES: DeleteReason.RETENTION_BYTES,
  DIVERGED: DeleteReason.DIVERGED,
  OPERATOR: DeleteReason.OPERATOR,
};

export class MetastoreLedger {
  private readonly channel: CommandChannel;
  private readonly mode: TopicMode;
  /** Last intent number used, per claimed partition: later ones must be larger. */
  private readonly intents = new Map<string, bigint>();

  constructor(channel: CommandChannel, mode: 'watch' | 'plugin') {
    this.channel = channel;
    this.mode = mode === 'watch' ? TopicMode.WATCH : TopicMode.PLUGIN;
  }

  async claim(request: LedgerClaimRequest, signal: AbortSignal): Promise<LedgerClaim> {
    const { id, topic, leaderEpoch, lineage, brokerLocalStart, initialRemoteStart } = request;
    const { brokerId } = this.channel;
    const { revision, answers } = await this.channel.submit(
      [
        {
          $case: 'claimPartition',
          value: {
            partition: refOf(id),
            topic,
            leaderEpoch,
            brokerId,
            brokerEpoch: 0n,
            mode: this.mode,
            lineage: entriesOf(lineage),
            brokerLocalStart,
            initialRemoteStart,
          },
        },
      ],
      signal,
    );
    const [answer] = answers;
    if (answer?.$case !== 'partitionClaimed') throw unexpected('a claim');
    const { value } = answer;
    this.intents.set(partitionKey(id), value.lastIntentNumber);
    const token = revisionOf(value.fenceToken);
    return {
      id,
      topic,
      leaderEpoch,
      token,
      revision,
      lineage: value.lineage,
      remoteStart: value.remoteStart,
    };
  }

  async release(claim: LedgerClaim, signal: AbortSignal): Promise<void> {
    await this.channel.submit([{ $case: 'releaseClaim', value: heldBy(claim) }], signal);
    this.intents.delete(partitionKey(claim.id));
  }

  async startCopy(
    claim: LedgerClaim,
    intent: LedgerIntent,
    signal: AbortSignal,
  ): Promise<SegmentRecord> {
    const { brokerLineage, brokerLocalStart, ...facts } = intent;
    const record: SegmentRecord = {
      ...facts,
      state: 'COPY_SEGMENT_STARTED',
      fenceToken: claim.token,
      uploadIds: [],
      eventTimestampMs: 0,
      adopted: false,
    };
    const value = {
      segment: messageOf(record),
      intentNumber: this.nextIntent(claim),
      lineage: entriesOf(brokerLineage),
      brokerLocalStart,
    };
    const { answers } = await this.channel.submit([{ $case: 'startCopy', value }], signal);
    const [answer] = answers;
    const segment = answer?.$case === 'segmentChanged' ? answer.value.segment : undefined;
    if (segment === undefined) throw unexpected('an intent');
    return recordOf(segment);
  }

  async recordUpload(
    claim: LedgerClaim,
    id: SegmentId,
    uploadId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const value = { ...heldBy(claim), segmentId: id, uploadId };
    await this.channel.submit([{ $case: 'recordUpload', value }], signal);
  }

  async finishCopy(claim: LedgerClaim, id: SegmentId, signal: AbortSignal): Promise<void> {
    const value = { ...heldBy(claim), segmentId: id };
    await this.channel.submit([{ $case: 'finishCopy', value }], signal);
  }

  /** Ends the record in the same command: what is left to erase stands in the queue. */
  async abortCopy(
    claim: LedgerClaim,
    id: SegmentId,
    why: string,
    signal: AbortSignal,
  ): Promise<'aborted' | 'finished'> {
    const segment = { ...heldBy(claim), segmentId: id };
    const ops: AnyOp[] = [
      { $case: 'abortCopy', value: { ...segment, reason: why } },
      { $case: 'finishDelete', value: segment },
    ];
    try {
      await this.channel.submit(ops, signal);
      return 'aborted';
    } catch (error) {
      if (hasCode(error, 'ILLEGAL_TRANSITION')) return 'finished';
      // The record ended before, or its intent never arrived: there is nothing left to abort.
      if (hasCode(error, 'NOT_FOUND')) return 'aborted';
      throw error;
    }
  }

  async adoptIntent(claim: LedgerClaim, id: SegmentId, signal: AbortSignal): Promise<void> {
    const value = { ...heldBy(claim), segmentId: id };
    await this.channel.submit([{ $case: 'adoptIntent', value }], signal);
  }

  async deleteSegments(
    claim: LedgerClaim,
    remoteStart: bigint,
    segments: readonly LedgerDelete[],
    signal: AbortSignal,
  ): Promise<void> {
    const isOperators = segments.some(({ reason }) => reason === 'OPERATOR');
    const by = isOperators ? RemoteStartMover.OPERATOR : RemoteStartMover.RETENTION;
    const ops: AnyOp[] = [
      { $case: 'moveRemoteStart', value: { ...heldBy(claim), remoteStart, by } },
      ...segments.flatMap((segment) => endOf(claim, segment)),
    ];
    await this.channel.submit(ops, signal);
  }

  private nextIntent({ id }: LedgerClaim): bigint {
    const next = (this.intents.get(partitionKey(id)) ?? 0n) + 1n;
    this.intents.set(partitionKey(id), next);
    return next;
  }
}

function endOf(claim: LedgerClaim, segment: LedgerDelete): AnyOp[] {
  const { segmentId, contradiction } = segment;
  const held = { ...heldBy(claim), segmentId };
  const reason = REASONS[segment.reason];
  return [
    {
      $case: 'startDelete',
      value: { ...held, reason, contradiction: contradiction && { ...contradiction } },
    },
    { $case: 'finishDelete', value: held },
  ];
}

function entriesOf(lineage: Lineage): { epoch: number; startOffset: bigint }[] {
  return lineage.map(({ epoch, startOffset }) => ({ epoch, startOffset }));
}

function refOf({ topicId, partition }: PartitionId): { topicId: string; partition: number } {
  return { topicId, partition };
}

function heldBy(claim: LedgerClaim): {
  partition: { topicId: string; partition: number };
  fenceToken: FenceToken;
} {
  return { partition: refOf(claim.id), fenceToken: claim.token };
}

function unexpected(what: string): LogtierError {
  return new LogtierError('OUTCOME_UNKNOWN', `the metastore answered ${what} with something else`);
}
