// The replicated clock (safety rule 8): moved by the leading member's time, never far by itself.
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';

/** A larger jump waits for an operator: it would make everything old enough to be deleted. */
const LONGEST_JUMP_MS = 3_600_000n;

/** Never goes back. Zero is an entry without a time. */
export function advanceClock(state: CatalogState, nowMs: bigint): void {
  const isFirst = state.clockMs === 0n;
  if (!isFirst && nowMs > state.clockMs + LONGEST_JUMP_MS) {
    state.clockHeld = true;
    return;
  }
  // Held: even small steps wait, so that many of them do not add up to the jump.
  if (nowMs > state.clockMs && !state.clockHeld) state.clockMs = nowMs;
}

export function isNear(leftMs: bigint, rightMs: bigint): boolean {
  const apartMs = leftMs > rightMs ? leftMs - rightMs : rightMs - leftMs;
  return apartMs <= LONGEST_JUMP_MS;
}
