/**
 * Life of a remote segment (KIP-405, RemoteLogSegmentState.isValidTransition):
 *
 *   COPY_SEGMENT_STARTED ──► COPY_SEGMENT_FINISHED ──► DELETE_SEGMENT_STARTED ──► DELETE_SEGMENT_FINISHED
 *            └───────────────────────────────────────────────▲
 *
 * Invariants: only COPY_SEGMENT_FINISHED is served; nothing moves left; an old fence token moves nothing.
 * Staying put is allowed, because a retried command must get the answer it got before.
 */
export type SegmentState = keyof typeof nextStates;

const nextStates = {
  COPY_SEGMENT_STARTED: ['COPY_SEGMENT_FINISHED', 'DELETE_SEGMENT_STARTED'],
  COPY_SEGMENT_FINISHED: ['DELETE_SEGMENT_STARTED'],
  DELETE_SEGMENT_STARTED: ['DELETE_SEGMENT_FINISHED'],
  DELETE_SEGMENT_FINISHED: [],
} as const satisfies Record<string, readonly string[]>;

export function isLegalMove(from: SegmentState, to: SegmentState): boolean {
  const allowed: readonly SegmentState[] = nextStates[from];
  return from === to || allowed.includes(to);
}
