// When Kafka's own retention may delete a local segment (apache/kafka UnifiedLog.deleteOldSegments).

export interface RetainedSegment {
  readonly startOffset: bigint;
  readonly bytes: number;
  /** Largest record timestamp; undefined while unknown. */
  readonly maxTimestampMs: number | undefined;
}

export interface LocalRetention {
  /** -1: without bound. */
  readonly retentionMs: number;
  /** -1: without bound. Of one partition. */
  readonly retentionBytes: number;
}

/**
 * Wall-clock time at which retention may delete each closed segment, in the order given (oldest first);
 * Infinity: never as things are. `activeBytes` and `bytesPerSecond` tell how soon size is reached.
 */
export function deletionTimesMs(
  segments: readonly RetainedSegment[],
  retention: LocalRetention,
  now: { readonly wallMs: number; readonly activeBytes: number; readonly bytesPerSecond: number },
): number[] {
  let bytesAbove = now.activeBytes;
  const times: number[] = [];
  for (const segment of segments.toReversed()) {
    times.push(Math.min(byTimeMs(segment, retention), bySizeMs(bytesAbove, retention, now)));
    bytesAbove += segment.bytes;
  }
  return times.toReversed();
}

function byTimeMs(segment: RetainedSegment, retention: LocalRetention): number {
  if (retention.retentionMs < 0 || segment.maxTimestampMs === undefined) return Infinity;
  return segment.maxTimestampMs + retention.retentionMs;
}

/** A segment goes once what lies above it alone reaches the limit. */
function bySizeMs(
  bytesAbove: number,
  retention: LocalRetention,
  now: { readonly wallMs: number; readonly bytesPerSecond: number },
): number {
  if (retention.retentionBytes < 0) return Infinity;
  const missing = retention.retentionBytes - bytesAbove;
  if (missing <= 0) return now.wallMs;
  return now.bytesPerSecond <= 0 ? Infinity : now.wallMs + (missing / now.bytesPerSecond) * 1000;
}
