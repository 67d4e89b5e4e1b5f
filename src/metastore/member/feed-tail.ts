// The newest revisions in memory: a watcher that keeps up costs no read of the engine.
import { compareTokens, type Revision } from '../../segment/ids.ts';
import type { RevisionEvents } from '../catalog/apply.ts';

/** A few seconds of a busy catalog; a segment's event is about half a KiB. */
const MAX_EVENTS = 16_384;

export class FeedTail {
  private revisions: RevisionEvents[] = [];
  /** Those before this place are let go; moved in bulk, so that each add is cheap. */
  private start = 0;
  private events = 0;
  /** Every event after it is here. */
  private floor: Revision;

  constructor(floor: Revision) {
    this.floor = floor;
  }

  add(revisions: readonly RevisionEvents[]): void {
    for (const revision of revisions) {
      this.revisions.push(revision);
      this.events += revision.events.length;
    }
    while (this.events > MAX_EVENTS) {
      const oldest = this.revisions[this.start];
      if (oldest === undefined) break;
      this.floor = oldest.revision;
      this.events -= oldest.events.length;
      this.start += 1;
    }
    if (this.start * 2 <= this.revisions.length) return;
    this.revisions = this.revisions.slice(this.start);
    this.start = 0;
  }

  /** All revisions with events after `after`; undefined when they are not all here. */
  since(after: Revision): readonly RevisionEvents[] | undefined {
    if (compareTokens(after, this.floor) < 0) return undefined;
    let low = this.start;
    let high = this.revisions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const revision = this.revisions[middle]?.revision;
      if (revision !== undefined && compareTokens(revision, after) <= 0) low = middle + 1;
      else high = middle;
    }
    return this.revisions.slice(low);
  }
}
