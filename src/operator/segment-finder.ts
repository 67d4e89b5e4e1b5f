// A segment by its id alone: first where the view holds it, then one question a partition to the metastore.
import { LogtierError } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import { segmentId, type PartitionId, type SegmentId } from '../segment/ids.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { RemoteCatalog } from './remote-catalog.ts';

export interface FoundSegment {
  readonly segment: SegmentRecord;
  readonly topic: string;
}

interface Place {
  readonly id: PartitionId;
  readonly topic: string;
}

/** Questions under way: enough to hide the way to the metastore, few enough not to burden it. */
const QUESTIONS_AT_ONCE = 16;
/** Who reads an object asks range by range. */
const PLACES_KEPT = 1_000;

export class SegmentFinder {
  private readonly catalog: RemoteCatalog;
  /** A segment never moves to another partition. */
  private readonly places = new Map<SegmentId, Place>();

  constructor(catalog: RemoteCatalog) {
    this.catalog = catalog;
  }

  /** NOT_FOUND when no record has the id; INVALID_ARGUMENT when it is none. */
  async find(text: string, signal: AbortSignal): Promise<FoundSegment> {
    const id = segmentId(text);
    const place = this.places.get(id);
    const found =
      place === undefined ? await this.search(id, signal) : await this.lookAt(place, id, signal);
    if (found !== undefined) return found;
    throw new LogtierError('NOT_FOUND', `no segment ${text}`, {
      hint: 'logtier segment ls TOPIC:PARTITION lists them',
    });
  }

  private async search(id: SegmentId, signal: AbortSignal): Promise<FoundSegment | undefined> {
    const partitions = await this.catalog.partitions(undefined, signal);
    const places = partitions.map((partition) => ({
      id: partition.id,
      topic: partition.row.topic,
    }));
    // Loaded ones answer at once.
    const byCost = places.toSorted((left, right) => this.cost(left) - this.cost(right));
    let found: FoundSegment | undefined;
    await mapAtOnce(byCost, QUESTIONS_AT_ONCE, async (place) => {
      if (found !== undefined) return;
      const here = await this.lookAt(place, id, signal);
      if (here === undefined) return;
      found = here;
      this.keep(id, place);
    });
    return found;
  }

  private cost({ id }: Place): number {
    return this.catalog.peek(id) === undefined ? 1 : 0;
  }

  private async lookAt(
    { id: partition, topic }: Place,
    id: SegmentId,
    signal: AbortSignal,
  ): Promise<FoundSegment | undefined> {
    const snapshot = this.catalog.peek(partition);
    const segment =
      snapshot === undefined
        ? await this.catalog.segment(partition, id, signal)
        : snapshot.segments.find((candidate) => candidate.segmentId === id);
    return segment && { segment, topic };
  }

  private keep(id: SegmentId, place: Place): void {
    const [oldest] = this.places.keys();
    if (this.places.size >= PLACES_KEPT && oldest !== undefined) this.places.delete(oldest);
    this.places.set(id, place);
  }
}
