// Findings of the uploader and those that only the join of both tiers shows.
import type { Finding } from '../gen/logtier/v1/operator.ts';
import type { OffsetRange } from '../kafka/lineage.ts';
import { printDuration } from '../base/units.ts';
import type { PartitionFinding } from '../uploader/partition-state.ts';
import type { Lag } from './lag.ts';

/** Beside those of the uploader (src/uploader/partition-state.ts); docs/findings.md is printed from both. */
export const operatorFindingCodes = {
  GAP: 'Records between the remote start and the local log are in neither tier.',
} as const satisfies Record<string, string>;

export function findingMessage(finding: PartitionFinding): Finding {
  return {
    code: finding.code,
    text: finding.text,
    sinceMs: BigInt(Math.round(finding.sinceMs)),
    startOffset: finding.startOffset,
    endOffset: finding.endOffset,
  };
}

export interface JoinedFacts {
  /** Of the uploader; a finding it has already is not told twice. */
  readonly own: readonly PartitionFinding[];
  readonly gaps: readonly OffsetRange[];
  readonly lag: Lag | undefined;
  readonly nowMs: number;
  readonly headroomAlarmMs: number;
}

export function joinedFindings(facts: JoinedFacts): Finding[] {
  const own = facts.own.map(findingMessage);
  const low = headroomFinding(facts);
  return [...own, ...facts.gaps.map(gapFinding), ...(low === undefined ? [] : [low])];
}

function gapFinding({ startOffset, nextOffset }: OffsetRange): Finding {
  return {
    code: 'GAP' satisfies keyof typeof operatorFindingCodes,
    text: operatorFindingCodes.GAP,
    sinceMs: 0n,
    startOffset,
    endOffset: nextOffset,
  };
}

function headroomFinding({ own, lag, nowMs, headroomAlarmMs }: JoinedFacts): Finding | undefined {
  if (lag?.deletableAtMs === undefined || own.some(({ code }) => code === 'HEADROOM_LOW')) {
    return undefined;
  }
  const leftMs = Math.max(0, lag.deletableAtMs - nowMs);
  if (leftMs >= headroomAlarmMs) return undefined;
  const first = lag.segments.find(({ deletableAtMs }) => deletableAtMs === lag.deletableAtMs);
  return {
    code: 'HEADROOM_LOW',
    text: `local retention may delete records that are not remote in ${printDuration(leftMs)}`,
    sinceMs: 0n,
    startOffset: first?.startOffset,
    endOffset: first?.nextOffset,
  };
}
