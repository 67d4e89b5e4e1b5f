// The metastore as the operator's pages ask it: the client's queries and view in that shape.
import { LogtierError } from '../base/errors.ts';
import type { PartitionSummary } from '../gen/logtier/v1/catalog.ts';
import type { PartitionRef } from '../gen/logtier/v1/catalog_command.ts';
import { partitionIdOf, recordOf } from '../metastore/client/records.ts';
import type { CatalogPartition, RemoteCatalog } from '../operator/remote-catalog.ts';
import type { MetastoreAccess } from './metastore-access.ts';

export function remoteCatalog({ queries, view }: MetastoreAccess): RemoteCatalog {
  return {
    peek: (id) => view.peek(id),
    find: (topic, partition, signal) => view.find(topic, partition, signal),
    partitions: async (topic, signal) => {
      const all: CatalogPartition[] = [];
      let after: PartitionRef | undefined;
      for (let more = true; more;) {
        const page = await queries.partitions(
          { topic: topic ?? '', ...(after === undefined ? {} : { after }) },
          signal,
        );
        all.push(...page.partitions.flatMap(catalogPartition));
        after = page.partitions.at(-1)?.partition?.partition;
        more = page.more && after !== undefined;
      }
      return all;
    },
    segment: async (id, segmentId, signal) => {
      const value = { partition: { ...id }, segmentId };
      const { answer } = await queries.ask({ $case: 'segment', value }, signal);
      if (answer.$case !== 'segment') throw unexpected();
      return answer.value.segment && recordOf(answer.value.segment);
    },
    eraseQueue: async (limit, signal) => {
      const value = { dueBeforeMs: 0n, limit, stores: [] };
      const { answer } = await queries.ask({ $case: 'eraseQueue', value }, signal);
      if (answer.$case !== 'eraseQueue') throw unexpected();
      return answer.value.objects.map((entry) => ({
        id: partitionIdOf(entry.partition),
        store: entry.store,
        objectKey: entry.objectKey,
        objectBytes: Number(entry.objectBytes),
        passes: entry.passes,
        queuedMs: Number(entry.queuedMs),
        dueInMs: Math.max(0, Number(entry.dueMs - answer.value.replicatedClockMs)),
      }));
    },
    erasePrefixes: async (limit, signal) => {
      const value = { dueBeforeMs: 0n, limit, stores: [] };
      const { answer } = await queries.ask({ $case: 'eraseQueue', value }, signal);
      if (answer.$case !== 'eraseQueue') throw unexpected();
      return answer.value.prefixes.map(({ store, keyPrefix }) => ({ store, keyPrefix }));
    },
    status: async (signal) => {
      const status = await queries.status(signal);
      return {
        memberClockMs: Number(status.memberClockMs),
        replicatedClockMs: Number(status.replicatedClockMs),
        clockHeld: status.clockHeld,
        orphanLock: status.orphanLock,
        segments: Number(status.segments),
        eraseQueue: Number(status.eraseQueue),
      };
    },
    silentMs: () => view.silentMs(),
    lag: () => view.lag(),
  };
}

function catalogPartition({
  partition: row,
  finishedSegments,
  logBytes,
}: PartitionSummary): CatalogPartition[] {
  if (row === undefined) return [];
  return [
    {
      id: partitionIdOf(row.partition),
      row,
      finishedSegments: Number(finishedSegments),
      logBytes: Number(logBytes),
    },
  ];
}

function unexpected(): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', 'the metastore answered something else');
}
