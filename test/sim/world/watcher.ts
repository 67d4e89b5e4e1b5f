// Follows the whole feed over breaks and deaths of members: every revision once, in order, whole.
import { hasCode } from '../../../src/base/errors.ts';
import type { WatchResponse } from '../../../src/gen/logtier/v1/catalog.ts';
import type { CatalogTransport } from '../../../src/metastore/client/catalog-transport.ts';
import { compareTokens, type Revision } from '../../../src/segment/ids.ts';
import type { Histories } from './history.ts';
import type { Process } from './process.ts';
import { printEvent, tokenText } from './reference-print.ts';

export class Watcher {
  at: Revision | undefined;
  told = 0;
  restarts = 0;
  private readonly histories: Histories;
  private readonly clusterId: string;
  private readonly violate: (what: string) => void;

  constructor(histories: Histories, clusterId: string, violate: (what: string) => void) {
    this.histories = histories;
    this.clusterId = clusterId;
    this.violate = violate;
  }

  /** For ever; one life of the watcher. Its position outlives it. */
  async follow(transport: CatalogTransport, process: Process): Promise<void> {
    const { signal } = new AbortController();
    for (;;) {
      try {
        const after = this.at && { ...this.at };
        const request = { clusterId: this.clusterId, after, filter: undefined };
        for await (const message of transport.watch(request, signal)) this.take(message);
      } catch (error) {
        if (hasCode(error, 'COMPACTED')) this.startAnew();
      }
      await process.wait(50);
    }
  }

  /** History may be gone only when it was trimmed, or is another one. */
  private startAnew(): void {
    const { at } = this;
    const { current, incarnation } = this.histories;
    this.at = undefined;
    this.restarts += 1;
    if (at === undefined || at.incarnation !== incarnation) return;
    if (at.index >= current.reference.feedFrom) {
      this.violate(`the feed after ${tokenText(at)} is refused, though nothing was trimmed`);
    }
  }

  private take({ revision, events, progress }: WatchResponse): void {
    if (revision === undefined) {
      this.violate('a message of the feed has no revision');
      return;
    }
    const { at } = this;
    this.at = { ...revision };
    if (at === undefined) return;
    if (at.incarnation !== revision.incarnation || compareTokens(revision, at) < 0) {
      this.violate(`the feed goes from ${tokenText(at)} to ${tokenText(revision)}`);
      return;
    }
    this.compare(at, revision, progress ? undefined : events.map(printEvent).toSorted().join(' '));
  }

  /** What the reference says lies between, and at the end. */
  private compare(at: Revision, to: Revision, told: string | undefined): void {
    const all = this.histories.of(to).reference.events;
    let next = all.findLastIndex(({ index }) => index <= at.index) + 1;
    for (; next < all.length && all[next]!.index < to.index; next += 1) {
      this.violate(`the feed misses revision ${all[next]!.index} before ${to.index}`);
    }
    const expected = all[next]?.index === to.index ? all[next]!.told : undefined;
    if (told === undefined) {
      if (expected !== undefined) this.violate(`a mark at ${to.index} hides its changes`);
    } else if (told !== expected) {
      this.violate(`revision ${to.index} told ${told}, not ${String(expected)}`);
    } else this.told += 1;
  }
}
