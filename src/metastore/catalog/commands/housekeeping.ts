// Leases on shares of the delete queue, the clock, and the end of old history.
import {
  type AcquireLease,
  type ConfirmClock,
  LeaseRow,
  type TrimFeed,
} from '../../../gen/logtier/v1/catalog_command.ts';
import { compareTokens } from '../../../segment/ids.ts';
import { isNear } from '../clock.ts';
import type { CommandContext } from '../context.ts';
import { feedUpTo, leaseKey } from '../keys.ts';
import { MAX_LEASE_MS, MAX_TEXT_BYTES } from '../limits.ts';
import { tokenOf } from '../names.ts';
import { done, type Outcome, refuse } from '../outcome.ts';

/** Granted when free, own, or run out by the replicated clock. Shares work, fences nothing (rule 25). */
export async function acquireLease(
  context: CommandContext,
  command: AcquireLease,
): Promise<Outcome> {
  const { lease, ttlMs } = command;
  if (lease === '' || Buffer.byteLength(lease) > MAX_TEXT_BYTES || ttlMs > MAX_LEASE_MS) {
    return refuse('INVALID_ARGUMENT', 'a lease has a name and lasts ten minutes at most');
  }
  const nowMs = context.state.clockMs;
  const key = leaseKey(context.cluster, lease);
  const held = await context.draft.row(LeaseRow, key);
  const isTaken = held !== undefined && held.clientId !== context.clientId && held.untilMs > nowMs;
  if (isTaken) return { $case: 'lease', value: { granted: false, untilMs: held.untilMs } };
  const untilMs = nowMs + ttlMs;
  context.draft.put(LeaseRow, key, { clientId: context.clientId, untilMs });
  return { $case: 'lease', value: { granted: true, untilMs } };
}

/** The operator's word and the leading member's clock must agree: a typing error moves nothing. */
export function confirmClock(context: CommandContext, command: ConfirmClock): Promise<Outcome> {
  return Promise.resolve(confirm(context, command));
}

function confirm(context: CommandContext, command: ConfirmClock): Outcome {
  const { state } = context;
  const { nowMs, confirmedBy } = command;
  if (confirmedBy === '') return refuse('INVALID_ARGUMENT', 'a clock is confirmed by somebody');
  if (!isNear(nowMs, context.entryMs)) {
    return refuse('CLOCK_SKEW', `the metastore's clock says ${context.entryMs}, not ${nowMs}`);
  }
  if (nowMs > state.clockMs) state.clockMs = nowMs;
  state.clockHeld = false;
  return done();
}

/** Whoever watches from below starts anew. */
export function trimFeed(context: CommandContext, command: TrimFeed): Promise<Outcome> {
  const below = tokenOf(command.below);
  const { state, draft, revision } = context;
  const isAhead = compareTokens(below, tokenOf(state.feedFrom)) > 0;
  if (isAhead && compareTokens(below, revision) <= 0) {
    draft.deleteRange(feedUpTo(below));
    state.feedFrom = below;
  }
  return Promise.resolve(done());
}
