// A partition's snapshot as fetches need it, computed once for each snapshot.
import { coveredEnd } from '../kafka/segment-cover.ts';
import { remoteView } from '../kafka/remote-view.ts';
import type { RemoteView } from '../kafka/fetch-decision.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';

export interface PartitionView {
  readonly snapshot: PartitionSnapshot;
  /** Finished segments, each cut to the stored lineage. */
  readonly remote: RemoteView<SegmentRecord>;
  /** Exclusive end of what they cover from the remote start without a hole (rule 7). */
  readonly remoteEnd: bigint;
}

const views = new WeakMap<PartitionSnapshot, PartitionView>();

export function viewOfPartition(snapshot: PartitionSnapshot): PartitionView {
  const known = views.get(snapshot);
  if (known !== undefined) return known;
  const finished = snapshot.segments.filter(({ state }) => state === 'COPY_SEGMENT_FINISHED');
  const view = {
    snapshot,
    remote: remoteView(finished, snapshot.lineage),
    remoteEnd: coveredEnd(finished, snapshot.lineage, snapshot.remoteStart),
  };
  views.set(snapshot, view);
  return view;
}
