// What is to be tiered, and whether it will be before the broker deletes it.
import { printBytes, printDuration } from '../../base/units.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Diagnosis } from '../../gen/logtier/v1/operator.ts';
import type { LocalPartitionStatus, UploaderStatus } from '../../uploader/uploader-status.ts';
import { fail, ok, someOf, warn, type Check } from '../diagnosis.ts';
import { lagOf } from '../lag.ts';

export interface TopicCheckDeps {
  readonly uploader: Pick<UploaderStatus, 'partitions' | 'findings'>;
  readonly clock: Clock;
}

export function topicChecks(
  deps: TopicCheckDeps,
  { headroomAlarmMs }: { readonly headroomAlarmMs: number },
): Check[] {
  const look = (signal: AbortSignal): Promise<readonly LocalPartitionStatus[]> =>
    deps.uploader.partitions(undefined, signal);
  return [
    { name: 'topics', run: async (signal) => [checkMatches(await look(signal))] },
    {
      name: 'headroom',
      run: async (signal) => [
        checkHeadroom(await look(signal), deps.clock.wallMs(), headroomAlarmMs),
      ],
    },
    {
      name: 'findings',
      run: async (signal) => [checkFindings(deps.uploader, await look(signal))],
    },
  ];
}

function checkMatches(partitions: readonly LocalPartitionStatus[]): Diagnosis {
  const topics = new Map(partitions.map(({ topic, rule }) => [topic, rule !== undefined]));
  const matched = [...topics.values()].filter(Boolean).length;
  const text = `${matched} of ${topics.size} local topics match an entry of topics`;
  if (matched > 0 || topics.size === 0) return ok('topics', text);
  return warn('topics', text, 'nothing is tiered: check the patterns under topics');
}

/** Local retention must be longer than it takes to copy. */
function checkHeadroom(
  partitions: readonly LocalPartitionStatus[],
  nowMs: number,
  headroomAlarmMs: number,
): Diagnosis {
  const lags = partitions.map((partition) => ({ partition, lag: lagOf(partition) }));
  const bytes = lags.reduce((sum, { lag }) => sum + lag.bytes, 0);
  const atRisk = lags
    .flatMap(({ partition, lag }) =>
      lag.deletableAtMs === undefined
        ? []
        : [{ partition, leftMs: Math.max(0, lag.deletableAtMs - nowMs) }],
    )
    .filter(({ leftMs }) => leftMs < headroomAlarmMs)
    .toSorted((left, right) => left.leftMs - right.leftMs);
  const [closest] = atRisk;
  if (closest === undefined) {
    return ok('headroom', `${printBytes(bytes)} are not remote yet, none close to local retention`);
  }
  const names = atRisk.map(({ partition }) => `${partition.topic}-${partition.partition}`);
  return fail(
    'headroom',
    `local retention may delete untiered records of ${someOf(names)}, the first in ${printDuration(closest.leftMs)}`,
    'raise retention.ms or retention.bytes of the topics now; logtier why TOPIC tells what holds copies up',
  );
}

function checkFindings(
  uploader: Pick<UploaderStatus, 'findings'>,
  partitions: readonly LocalPartitionStatus[],
): Diagnosis {
  const own = uploader.findings();
  const all = [...own, ...partitions.flatMap(({ findings }) => findings)];
  if (all.length === 0) return ok('findings', 'no findings');
  const codes = [...new Set(all.map(({ code }) => code))].toSorted();
  const [first] = own;
  const text = `${all.length} findings: ${codes.join(', ')}${first === undefined ? '' : `; ${first.text}`}`;
  return warn('findings', text, 'logtier inventory describe TOPIC:PARTITION and logtier why TOPIC');
}
