// The offsets of a partition over both tiers, and where a reader without a position begins.

/** What is known of one partition in watch mode; undefined: the broker has not answered. */
export interface PartitionOffsets {
  /** First offset Logtier offers: a record of the catalog, moved only by retention or an operator (rule 2). */
  readonly remoteStart: bigint;
  /** Exclusive end of what the remote segments cover from `remoteStart` without a hole (rule 7). */
  readonly remoteEnd: bigint;
  /** First offset on the leader's disk. */
  readonly localStart: bigint | undefined;
  readonly highWatermark: bigint | undefined;
  readonly lastStableOffset: bigint | undefined;
  readonly logEnd: bigint | undefined;
}

/** What a reader asks for that has no offset yet. */
export type ResetPolicy = 'earliest' | 'local-start' | 'latest' | 'latest-stable' | 'remote-end';

function largest(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

/** First offset that either tier holds. */
export function firstOffset(offsets: PartitionOffsets): bigint {
  const { remoteStart, localStart } = offsets;
  return localStart !== undefined && localStart < remoteStart ? localStart : remoteStart;
}

/**
 * The offset a policy means, within [first offset, high watermark]; undefined while the broker has not told
 * what it takes. `local-start` skips what only the remote tier holds: the reader must have asked for that.
 */
export function resetOffset(policy: ResetPolicy, offsets: PartitionOffsets): bigint | undefined {
  const wanted = wantedOffset(policy, offsets);
  if (wanted === undefined) return undefined;
  const { highWatermark } = offsets;
  const bounded = highWatermark !== undefined && wanted > highWatermark ? highWatermark : wanted;
  return largest(bounded, firstOffset(offsets));
}

function wantedOffset(policy: ResetPolicy, offsets: PartitionOffsets): bigint | undefined {
  switch (policy) {
    case 'earliest':
      return firstOffset(offsets);
    case 'local-start':
      return offsets.localStart;
    case 'latest':
      return offsets.highWatermark;
    case 'latest-stable':
      return offsets.lastStableOffset;
    case 'remote-end':
      return offsets.remoteEnd;
  }
}
