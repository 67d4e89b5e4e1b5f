// Why each local segment is not remote yet, in words.
import { LogtierError } from '../base/errors.ts';
import type { ExplainResponse, SegmentExplanation } from '../gen/logtier/v1/operator.ts';
import type { Clock } from '../platform/clock.ts';
import type {
  LocalPartitionStatus,
  LocalSegmentStatus,
  UploaderStatus,
} from '../uploader/uploader-status.ts';
import { waitingWords } from '../uploader/waiting-reason.ts';
import { findingMessage, joinedFindings } from './findings.ts';
import { lagOf, waitingOf } from './lag.ts';

export interface ExplainDeps {
  readonly uploader: Pick<UploaderStatus, 'partitions' | 'findings'>;
  readonly clock: Clock;
}

/** NOT_FOUND when this broker has no such local log. */
export async function explain(
  { uploader, clock }: ExplainDeps,
  { headroomAlarmMs }: { readonly headroomAlarmMs: number },
  { topic, partition }: { readonly topic: string; readonly partition: number | undefined },
  signal: AbortSignal,
): Promise<ExplainResponse> {
  const all = await uploader.partitions(topic, signal);
  const asked = all
    .filter((found) => partition === undefined || found.partition === partition)
    .toSorted((left, right) => left.partition - right.partition);
  if (asked.length === 0) throw noLocalLog(topic, partition);
  const nowMs = clock.wallMs();
  return {
    segments: asked.flatMap((found) =>
      found.segments.map((segment) => explanation(found, segment, nowMs)),
    ),
    findings: [
      ...uploader.findings().map(findingMessage),
      ...asked.flatMap((found) => {
        const { findings: own } = found;
        return joinedFindings({ own, gaps: [], lag: lagOf(found), nowMs, headroomAlarmMs });
      }),
    ],
  };
}

export function explanation(
  partition: LocalPartitionStatus,
  segment: LocalSegmentStatus,
  nowMs: number,
): SegmentExplanation {
  const waiting = waitingOf(partition, segment);
  const { startOffset, nextOffset, logBytes, copiedBytes, state, deletableAtMs } = segment;
  const isAtRisk = state !== 'remote' && state !== 'active' && Number.isFinite(deletableAtMs);
  return {
    partition: partition.partition,
    startOffset,
    nextOffset: nextOffset ?? startOffset,
    logBytes: BigInt(logBytes),
    state,
    reason: waiting?.reason ?? '',
    words: waiting === undefined ? '' : waitingWords(waiting),
    sinceMs: BigInt(Math.round(waiting?.sinceMs ?? 0)),
    copiedBytes: copiedBytes === undefined ? undefined : BigInt(copiedBytes),
    headroomMs: isAtRisk ? BigInt(Math.max(0, Math.round(deletableAtMs - nowMs))) : undefined,
  };
}

function noLocalLog(topic: string, partition: number | undefined): LogtierError {
  const name = partition === undefined ? topic : `${topic}-${partition}`;
  return new LogtierError('NOT_FOUND', `this broker has no log of ${name}`, {
    hint: 'logtier inventory ls lists what there is; ask the sidecar of the broker that leads it',
  });
}
