// The change feed: history after a revision, then live, one message a revision (safety rules 21, 30).
import { hasCode, LogtierError } from '../../base/errors.ts';
import type { WatchRequest, WatchResponse } from '../../gen/logtier/v1/catalog.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import { compareTokens, printToken, type Revision } from '../../segment/ids.ts';
import type { RevisionEvents } from '../catalog/apply.ts';
import type { CatalogMember } from '../member/catalog-member.ts';

/** A reader calls itself stale after 10 s without a mark: five chances. */
const MARK_EVERY_MS = 2_000;

/** Asks for the next change only when the last one was taken, so that a slow reader holds nothing here. */
export async function* watchCatalog(
  member: CatalogMember,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse, void, undefined> {
  const { clock } = member;
  let at = await startOf(member, request.after, signal);
  if (request.after === undefined) yield progressAt(at);
  let nextMarkMs = clock.monotonicMs() + MARK_EVERY_MS;
  let barrier: Revision | undefined;
  for (;;) {
    throwIfAborted(signal);
    const page = await member.changes(at);
    yield* messagesOf(page.revisions, request.clusterId);
    at = page.upTo;
    if (barrier !== undefined && compareTokens(at, barrier) >= 0) {
      yield progressAt(at);
      barrier = undefined;
      nextMarkMs = clock.monotonicMs() + MARK_EVERY_MS;
    }
    const waitMs = nextMarkMs - clock.monotonicMs();
    // The mark goes out only when all up to the barrier has been sent.
    if (waitMs <= 0) barrier ??= await member.barrier(signal);
    else await changeAfter(member, at, { waitMs, signal });
  }
}

async function startOf(
  member: CatalogMember,
  after: Revision | undefined,
  signal: AbortSignal,
): Promise<Revision> {
  const now = await member.barrier(signal);
  if (after === undefined) return now;
  const isKnown = after.incarnation === now.incarnation && compareTokens(after, now) <= 0;
  if (isKnown) return after;
  throw new LogtierError('COMPACTED', `revision ${printToken(after)} is not of this history`);
}

function* messagesOf(
  revisions: readonly RevisionEvents[],
  clusterId: string,
): Generator<WatchResponse, void, undefined> {
  for (const { revision, events } of revisions) {
    const own = events.filter((event) => event.clusterId === clusterId);
    if (own.length > 0) yield { revision, events: own, progress: false };
  }
}

function progressAt(revision: Revision): WatchResponse {
  return { revision, events: [], progress: true };
}

async function changeAfter(
  member: CatalogMember,
  at: Revision,
  wait: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = member.clock.deadline(wait.waitMs, wait.signal);
  try {
    await member.applied(at.index + 1n, deadline.signal);
  } catch (error) {
    if (wait.signal.aborted || !hasCode(error, 'DEADLINE_EXCEEDED')) throw error;
  } finally {
    deadline.clear();
  }
}
