export interface BackoffSettings {
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
}

/**
 * Wait before retry number `attempt` (0 = the first retry): doubles up to the longest, then takes a
 * share of it in [0.5, 1), so that many waiters do not come back at once.
 *
 * @param share a draw from [0, 1).
 */
export function backoffMs(settings: BackoffSettings, attempt: number, share: number): number {
  const doubled = settings.firstRetryMs * 2 ** Math.min(attempt, 30);
  const bound = Math.min(doubled, settings.longestRetryMs);
  return Math.round(bound * (0.5 + share / 2));
}
