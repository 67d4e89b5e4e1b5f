// Who answers a fetch at an offset, in watch mode: the remote tier, the broker, or nobody.
//
//      remote start              local start            log end
//   ──────┼──────────────────────────┼─────────────────────┼──────
//   out   │ remote, or a gap         │ ask the broker      │ out
//
// Decide "remote" whenever a segment holds the offset below a cached local start: too high a cached value is
// an overlap, no fault. "Ask the broker" needs a fresh local start.
import type { PartitionOffsets } from './partition-offsets.ts';

/** The FINISHED segments of a partition, each cut to the stored lineage (rules 7 and 14). */
export interface RemoteView<Segment> {
  /** The segment that serves `offset`, and the exclusive end up to which it may. */
  find(offset: bigint): RemoteHit<Segment> | undefined;
  /** First offset above `offset`, which none serves, that a segment serves. */
  nextCovered(offset: bigint): bigint | undefined;
}

export interface RemoteHit<Segment> {
  readonly segment: Segment;
  readonly nextOffset: bigint;
}

export type FetchDecision<Segment> =
  | ({ readonly kind: 'remote' } & RemoteHit<Segment>)
  | { readonly kind: 'ask-broker'; readonly offset: bigint }
  /** `end` is where the log ends, undefined while the broker has not told. */
  | { readonly kind: 'out-of-range'; readonly start: bigint; readonly end: bigint | undefined }
  /** Nobody holds [offset, next). */
  | { readonly kind: 'gap'; readonly next: bigint }
  | { readonly kind: 'not-ready'; readonly why: 'local-start-unknown' };

/**
 * Decides for `offset`. A gap is told only from a view that was just read with a barrier: on the first one
 * the caller reads anew and decides again. "Not complete" and "not fresh" are refused before (rules 3, 21).
 *
 * Offsets at or above the local start are the broker's, even below the remote start: it holds them. While
 * the broker is down, what a segment holds is served; all else waits, since it may still have the rest.
 */
export function decideFetch<Segment>(
  offset: bigint,
  offsets: Pick<PartitionOffsets, 'remoteStart' | 'localStart' | 'logEnd'>,
  remote: RemoteView<Segment>,
): FetchDecision<Segment> {
  const { remoteStart, localStart, logEnd } = offsets;
  if (localStart !== undefined && offset >= localStart) {
    if (logEnd === undefined || offset <= logEnd) return { kind: 'ask-broker', offset };
    const start = remoteStart < localStart ? remoteStart : localStart;
    return { kind: 'out-of-range', start, end: logEnd };
  }
  const hit = offset < remoteStart ? undefined : remote.find(offset);
  if (hit !== undefined) return { kind: 'remote', ...hit };
  if (localStart === undefined) return { kind: 'not-ready', why: 'local-start-unknown' };
  if (offset < remoteStart) return belowRemoteStart(remoteStart, localStart, logEnd);
  const next = remote.nextCovered(offset);
  return { kind: 'gap', next: next !== undefined && next < localStart ? next : localStart };
}

function belowRemoteStart<Segment>(
  remoteStart: bigint,
  localStart: bigint,
  logEnd: bigint | undefined,
): FetchDecision<Segment> {
  const start = remoteStart < localStart ? remoteStart : localStart;
  return { kind: 'out-of-range', start, end: logEnd };
}
