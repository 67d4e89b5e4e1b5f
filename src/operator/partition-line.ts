// One line of the inventory: what is known of a partition on this broker, in the catalog and from the broker.
import type { PartitionLine } from '../gen/logtier/v1/operator.ts';
import type { LocalPartitionStatus } from '../uploader/uploader-status.ts';
import type { ToldOffsets } from './broker-offsets.ts';
import { joinedFindings } from './findings.ts';
import { lagOf, type Lag } from './lag.ts';
import type { CatalogPartition } from './remote-catalog.ts';
import { gapsOf, type RemoteFacts } from './remote-facts.ts';
import { tierSizes, type LocalExtent, type RemoteShape } from './tier-sizes.ts';
import type { Finding } from '../gen/logtier/v1/operator.ts';
import type { OffsetRange } from '../kafka/lineage.ts';

export interface LineInput {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly local: LocalPartitionStatus | undefined;
  /** Undefined: its segments are not loaded here. */
  readonly remote: { readonly facts: RemoteFacts; readonly remoteStart: bigint } | undefined;
  /** The catalog's row and sums; undefined: never claimed, or the metastore did not answer. */
  readonly summary: CatalogPartition | undefined;
  readonly told: ToldOffsets;
  readonly nowMs: number;
  readonly headroomAlarmMs: number;
}

export interface JoinedLine {
  readonly line: PartitionLine;
  readonly gaps: readonly OffsetRange[];
  readonly findings: readonly Finding[];
}

const NOTHING: RemoteShape = { parts: [], covered: [], bytes: 0 };

export function joinLine(input: LineInput): JoinedLine {
  const { topic, topicId, partition, local, remote, told, nowMs, headroomAlarmMs } = input;
  const lag = local && lagOf(local);
  const gaps = remote
    ? gapsOf(remote.facts, remote.remoteStart, local?.isLeader ? startOf(local, told) : undefined)
    : [];
  const own = local?.findings ?? [];
  const findings = joinedFindings({ own, gaps, lag, nowMs, headroomAlarmMs });
  const line: PartitionLine = {
    topic,
    topicId,
    partition,
    ...remoteFields(input),
    ...localFields(local, told),
    ...lagFields(lag, nowMs),
    findings: BigInt(findings.length),
  };
  return { line, gaps, findings };
}

type LocalFields = Pick<
  PartitionLine,
  'localSegments' | 'localStart' | 'logEnd' | 'leader' | 'claimed'
>;

function localFields(local: LocalPartitionStatus | undefined, told: ToldOffsets): LocalFields {
  return {
    localSegments: BigInt(local?.segments.length ?? 0),
    localStart: startOf(local, told),
    logEnd: told.logEnd,
    leader: local?.isLeader ?? false,
    claimed: local?.claim !== undefined,
  };
}

/** As the broker says, else as its files do. Of a leader only: below it the brokers have nothing. */
function startOf(local: LocalPartitionStatus | undefined, told: ToldOffsets): bigint | undefined {
  return told.localStart ?? local?.segments[0]?.startOffset;
}

type RemoteFields = Pick<
  PartitionLine,
  | 'remoteSegments'
  | 'remoteOnlyBytes'
  | 'bothBytes'
  | 'localOnlyBytes'
  | 'remoteStart'
  | 'tieredTo'
  | 'overlapUnknown'
>;

function remoteFields({ local, remote, summary }: LineInput): RemoteFields {
  const segments = local?.segments ?? [];
  if (remote === undefined && summary !== undefined) return sumFields(summary, segments);
  const sizes = tierSizes(segments, remote?.facts.shape ?? NOTHING);
  return {
    remoteSegments: BigInt(remote?.facts.finished.length ?? 0),
    remoteOnlyBytes: BigInt(sizes.remoteOnlyBytes),
    bothBytes: BigInt(sizes.bothBytes),
    localOnlyBytes: BigInt(sizes.localOnlyBytes),
    remoteStart: remote?.remoteStart,
    tieredTo: remote?.facts.tieredTo,
    overlapUnknown: undefined,
  };
}

function sumFields(
  { row, finishedSegments, logBytes }: CatalogPartition,
  segments: readonly LocalExtent[],
): RemoteFields {
  return {
    remoteSegments: BigInt(finishedSegments),
    remoteOnlyBytes: BigInt(logBytes),
    bothBytes: 0n,
    localOnlyBytes: BigInt(tierSizes(segments, NOTHING).localOnlyBytes),
    remoteStart: row.remoteStart,
    tieredTo: undefined,
    overlapUnknown: finishedSegments > 0 && segments.length > 0 ? true : undefined,
  };
}

function lagFields(
  lag: Lag | undefined,
  nowMs: number,
): Pick<PartitionLine, 'lagBytes' | 'lagSegments' | 'headroomMs'> {
  const leftMs = lag?.deletableAtMs === undefined ? undefined : lag.deletableAtMs - nowMs;
  return {
    lagBytes: BigInt(lag?.bytes ?? 0),
    lagSegments: BigInt(lag?.segments.length ?? 0),
    headroomMs: leftMs === undefined ? undefined : BigInt(Math.max(0, Math.round(leftMs))),
  };
}
