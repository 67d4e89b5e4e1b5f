// Rows of the catalog, of a view and of the feed as the reference prints them, to be compared as text.
import {
  type CatalogEvent,
  type CommandResult,
  type FenceToken,
  SegmentState,
} from '../../../src/gen/logtier/v1/catalog_command.ts';

export const tokenText = (token: FenceToken | undefined): string =>
  token === undefined ? '0/0' : `${token.incarnation}/${token.index}`;

export function keyOf(
  ref: { readonly topicId: string; readonly partition: number } | undefined,
): string {
  return `${ref?.topicId}:${ref?.partition}`;
}

export function printSegment(segment: {
  readonly id: string;
  readonly state: string;
  readonly token: string;
  readonly uploads: readonly string[];
}): string {
  const { id, state, token, uploads } = segment;
  return `${id}:${state}:${token}:${uploads.length}`;
}

export function printPartition(partition: {
  readonly claim: {
    readonly token: string;
    readonly epoch: number;
    readonly brokerId: number;
    readonly released: boolean;
  };
  readonly remoteStart: bigint;
  readonly segments: readonly string[];
}): string {
  const { claim, remoteStart, segments } = partition;
  const owner = `${claim.token} epoch ${claim.epoch} of ${claim.brokerId}`;
  const released = claim.released ? ' released' : '';
  return `${owner}${released} from ${remoteStart}: ${segments.toSorted().join(' ')}`;
}

const STATES: ReadonlyMap<SegmentState | string, string> = new Map<SegmentState | string, string>([
  [SegmentState.COPY_SEGMENT_STARTED, 'copying'],
  [SegmentState.COPY_SEGMENT_FINISHED, 'finished'],
  [SegmentState.DELETE_SEGMENT_STARTED, 'deleting'],
  ['COPY_SEGMENT_STARTED', 'copying'],
  ['COPY_SEGMENT_FINISHED', 'finished'],
  ['DELETE_SEGMENT_STARTED', 'deleting'],
]);

/** A record of the catalog or of a view, as the reference prints it. */
export function printRecord(record: {
  readonly segmentId: string;
  readonly state: SegmentState | string;
  readonly fenceToken?: FenceToken | undefined;
  readonly uploadIds: readonly string[];
}): string {
  const { segmentId, fenceToken, uploadIds } = record;
  const state = STATES.get(record.state);
  if (state === undefined) return `${segmentId}:ended`;
  return `${segmentId}:${state}:${tokenText(fenceToken)}:${uploadIds.length}`;
}

export function printEvent({ event }: CatalogEvent): string {
  switch (event?.$case) {
    case 'partition':
      return `p:${keyOf(event.value.partition)}`;
    case 'segment':
      return `s:${printRecord(event.value)}`;
    case 'topicDeleted':
      return `t:${event.value}`;
    case undefined:
      return 'nothing';
  }
}

export function answersOf({ results }: CommandResult): string[] {
  return results.map(({ result }) =>
    result?.$case === 'refused' ? result.value.code : (result?.$case ?? 'nothing'),
  );
}
