import { LogtierError } from '../../base/errors.ts';
import { CatalogEvent } from '../../gen/logtier/v1/catalog_command.ts';
import { compareTokens, printToken, type Revision, sameToken } from '../../segment/ids.ts';
import type { RevisionEvents } from '../catalog/apply.ts';
import { feedBetween, feedRevisionOf } from '../catalog/keys.ts';
import { tokenOf } from '../catalog/names.ts';
import { decodeRow } from '../catalog/row.ts';
import { readState, revisionOf } from '../catalog/state.ts';
import type { KvEngine, KvSnapshot } from '../engine/kv-engine.ts';

/** Events read at once: a few MiB. A revision is never cut, so a page may be longer. */
const PAGE_EVENTS = 4096;

export interface FeedPage {
  readonly revisions: readonly RevisionEvents[];
  /** Every event up to it has been read. */
  readonly upTo: Revision;
}

/** From one moment of the engine. COMPACTED when history no longer reaches back to `after`. */
export async function readFeedPage(
  engine: KvEngine,
  metastoreId: string,
  after: Revision,
): Promise<FeedPage> {
  const snapshot = await engine.snapshot();
  try {
    const state = await readState(snapshot, metastoreId);
    const feedFrom = tokenOf(state.feedFrom);
    if (compareTokens(after, feedFrom) < 0) {
      const message = `history begins after revision ${printToken(feedFrom)}`;
      throw new LogtierError('COMPACTED', message);
    }
    return await readPage(snapshot, after, revisionOf(state));
  } finally {
    await snapshot.close();
  }
}

interface OpenGroup {
  readonly revision: Revision;
  readonly events: CatalogEvent[];
}

async function readPage(
  snapshot: KvSnapshot,
  after: Revision,
  applied: Revision,
): Promise<FeedPage> {
  const revisions: OpenGroup[] = [];
  let events = 0;
  for await (const { key, value } of snapshot.range(feedBetween(after, applied))) {
    const revision = feedRevisionOf(key);
    const open = revisions.at(-1);
    const event = decodeRow(CatalogEvent, value);
    if (open !== undefined && sameToken(open.revision, revision)) open.events.push(event);
    else if (open !== undefined && events >= PAGE_EVENTS) return { revisions, upTo: open.revision };
    else revisions.push({ revision, events: [event] });
    events += 1;
  }
  return { revisions, upTo: applied };
}
