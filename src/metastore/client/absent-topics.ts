// Topics that the metastore said it does not know, until the feed tells of a claim: so that reads of
// topics that are not tiered cost no call each.
import type { CatalogEvent } from '../../gen/logtier/v1/catalog_command.ts';
import { compareTokens, type Revision } from '../../segment/ids.ts';

/** More than a cluster has topics that anybody asks for; beyond it the memory is dropped. */
const MAX_TOPICS = 10_000;

export class AbsentTopics {
  private readonly names = new Set<string>();

  has(name: string): boolean {
    return this.names.has(name);
  }

  /** Only when the feed has not passed `at`: it might have told of the claim already. */
  add(name: string, at: Revision, position: Revision | undefined): void {
    if (position === undefined || compareTokens(position, at) > 0) return;
    if (this.names.size >= MAX_TOPICS) this.names.clear();
    this.names.add(name);
  }

  told(events: readonly CatalogEvent[]): void {
    for (const { event } of events) {
      if (event?.$case === 'partition') this.names.delete(event.value.topic);
    }
  }
}
