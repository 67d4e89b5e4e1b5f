/**
 * Life of a remote segment (KIP-405, RemoteLogSegmentState.isValidTransition):
 *
 *   COPY_SEGMENT_STARTED ──► COPY_SEGMENT_FINISHED ──► DELETE_SEGMENT_STARTED ──► DELETE_SEGMENT_FINISHED
 *            └───────────────────────────────────────────────▲
 *
 * Invariants: only COPY_SEGMENT_FINISHED is served; nothing moves left; an old fence token moves nothing.
 * Staying put is allowed, because a retried command must get the answer it got before. The catalog's commands
 * hold it: one command a move.
 */
export type SegmentState =
  | 'COPY_SEGMENT_STARTED'
  | 'COPY_SEGMENT_FINISHED'
  | 'DELETE_SEGMENT_STARTED'
  | 'DELETE_SEGMENT_FINISHED';
