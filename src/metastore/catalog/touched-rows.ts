// What a command changed, told once per row in the order of the first touch, as it stands at the end.
import type { CatalogEvent, SegmentRecord } from '../../gen/logtier/v1/catalog_command.ts';
import type { TopicId } from '../../segment/ids.ts';
import type { Draft } from './draft.ts';
import type { PartitionAddress } from './keys.ts';
import { partitionKey } from '../../segment/ids.ts';
import { partitionRow } from './partition-row.ts';

export class TouchedRows {
  private readonly segments = new Map<string, SegmentRecord>();
  private readonly partitions = new Map<string, PartitionAddress>();
  private readonly deletedTopics = new Set<TopicId>();

  get count(): number {
    return this.segments.size + this.partitions.size + this.deletedTopics.size;
  }

  segment(record: SegmentRecord): void {
    this.segments.set(`${record.topicId}:${record.partition}:${record.segmentId}`, record);
  }

  partition(address: PartitionAddress): void {
    this.partitions.set(partitionKey(address), address);
  }

  topicDeleted(id: TopicId): void {
    this.deletedTopics.add(id);
  }

  /** Partitions first: who sees a segment has its partition's lineage already. */
  async events(draft: Draft, clusterId: string): Promise<CatalogEvent[]> {
    const events: CatalogEvent[] = [];
    for (const address of this.partitions.values()) {
      const row = await partitionRow(draft, address);
      if (row !== undefined) events.push({ clusterId, event: { $case: 'partition', value: row } });
    }
    for (const record of this.segments.values()) {
      events.push({ clusterId, event: { $case: 'segment', value: record } });
    }
    for (const id of this.deletedTopics) {
      events.push({ clusterId, event: { $case: 'topicDeleted', value: id } });
    }
    return events;
  }
}
