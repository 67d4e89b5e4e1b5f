// What the catalog's snapshot of one partition says, worked out once for each state of it.
import type { OffsetRange } from '../kafka/lineage.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';
import { remoteShape, type RemoteShape } from './tier-sizes.ts';

export interface RemoteFacts {
  readonly shape: RemoteShape;
  readonly finished: readonly SegmentRecord[];
  /** Exclusive end of the cover without a hole from the remote start; undefined: it begins with a hole. */
  readonly tieredTo: bigint | undefined;
  /** Of all records, whatever their state: what the stores hold. */
  readonly objectBytes: number;
  readonly stores: readonly string[];
}

interface Kept {
  readonly lineage: PartitionSnapshot['lineage'];
  readonly remoteStart: bigint;
  readonly facts: RemoteFacts;
}

/** A view makes a new list whenever a segment changes; while it is the same, so are the facts. */
const kept = new WeakMap<readonly SegmentRecord[], Kept>();

export function remoteFacts(snapshot: PartitionSnapshot): RemoteFacts {
  const { segments, lineage, remoteStart } = snapshot;
  const known = kept.get(segments);
  if (known?.lineage === lineage && known.remoteStart === remoteStart) return known.facts;
  const facts = workOut(snapshot);
  kept.set(segments, { lineage, remoteStart, facts });
  return facts;
}

function workOut({ segments, lineage, remoteStart }: PartitionSnapshot): RemoteFacts {
  const finished = segments.filter(({ state }) => state === 'COPY_SEGMENT_FINISHED');
  const shape = remoteShape(finished, lineage, remoteStart);
  const [first] = shape.covered;
  return {
    shape,
    finished,
    tieredTo: first?.startOffset === remoteStart ? first.nextOffset : undefined,
    objectBytes: segments.reduce((bytes, segment) => bytes + segment.objectBytes, 0),
    stores: [...new Set(segments.map(({ store }) => store))].toSorted(),
  };
}

/**
 * Offsets from the remote start up that are in neither tier as seen from here: below `localStart` all of them,
 * without local data those below the last remote offset only, for above it another broker may have the rest.
 */
export function gapsOf(
  facts: RemoteFacts,
  remoteStart: bigint,
  localStart: bigint | undefined,
): OffsetRange[] {
  const { covered } = facts.shape;
  const gaps: OffsetRange[] = [];
  let at = remoteStart;
  for (const range of covered) {
    addGap(gaps, at, range.startOffset, localStart);
    at = range.nextOffset;
  }
  if (localStart !== undefined) addGap(gaps, at, localStart, localStart);
  return gaps;
}

function addGap(
  gaps: OffsetRange[],
  startOffset: bigint,
  end: bigint,
  localStart: bigint | undefined,
): void {
  const nextOffset = localStart !== undefined && localStart < end ? localStart : end;
  if (startOffset < nextOffset) gaps.push({ startOffset, nextOffset });
}
