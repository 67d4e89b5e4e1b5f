// When Kafka's own retention may delete each closed segment of a partition, from what lies on the disk now.
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import { activeBytes, learnClosedFacts } from './closed-facts.ts';
import type { LocalSegments } from './closed-segments.ts';
import type { PartitionState } from './partition-state.ts';
import { deletionTimesMs, type LocalRetention } from './retention-headroom.ts';

export interface LocalDeadlines {
  /** Wall clock, by start offset of each closed segment; Infinity: never as things are. */
  readonly deletableAtMs: ReadonlyMap<bigint, number>;
  readonly activeBytes: number;
}

/** Of a topic whose settings the broker has not told. */
const KEPT_FOR_EVER: LocalRetention = { retentionMs: -1, retentionBytes: -1 };

/** Learns sizes and ages that `state` does not know yet. */
export async function localDeadlines(
  deps: { readonly disk: Disk; readonly clock: Clock },
  state: PartitionState,
  local: LocalSegments,
  retention: LocalRetention = KEPT_FOR_EVER,
): Promise<LocalDeadlines> {
  await learnClosedFacts(deps.disk, state, local);
  const active = await activeBytes(deps.disk, state, local);
  const retained = local.closed.map(({ startOffset }) => {
    const facts = state.closedFacts.get(startOffset);
    return { startOffset, bytes: facts?.logBytes ?? 0, maxTimestampMs: facts?.maxTimestampMs };
  });
  const now = { wallMs: deps.clock.wallMs(), activeBytes: active, bytesPerSecond: 0 };
  const times = deletionTimesMs(retained, retention, now);
  const deletableAtMs = new Map(
    retained.map(({ startOffset }, index) => [startOffset, times[index] ?? Infinity]),
  );
  return { deletableAtMs, activeBytes: active };
}
