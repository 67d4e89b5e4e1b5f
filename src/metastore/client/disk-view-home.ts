// A view on the sidecar's own disk. It is a copy: when the disk fails, the view goes on in memory, and the next
// start loads it anew. Batches are not synced: after a power loss an older position comes back, with the rows
// of that position, and the feed goes on from there.
import {
  FenceToken,
  SegmentRecord as RecordMessage,
} from '../../gen/logtier/v1/catalog_command.ts';
import { ViewHead, ViewMark } from '../../gen/logtier/v1/local_view.ts';
import type { Logger } from '../../platform/log.ts';
import { partitionKey, type Revision, type TopicId, topicId } from '../../segment/ids.ts';
import type { SegmentRecord } from '../../segment/segment-record.ts';
import type { KvEngine, KvWrite } from '../engine/kv-engine.ts';
import { partitionIdOf, recordOf, revisionOf } from './records.ts';
import type { KeptPartition, KeptView, ViewChange, ViewHome, ViewKeeper } from './view-home.ts';
import {
  ALL_ROWS,
  allOf,
  HEAD_KEY,
  marksOf,
  othersThan,
  positionKey,
  positionWrite,
  segmentsOf,
  topicNameOf,
  topicsOf,
  writesOf,
} from './view-rows.ts';
import { compareSegments } from './view-store.ts';

/** Of keys and values; another one is read by nobody, and all is loaded anew. */
const VERSION = 1;

export interface DiskViewDeps {
  readonly engine: KvEngine;
  readonly logger: Logger;
}

/** Owns the engine from here on. */
export function diskViewHome(deps: DiskViewDeps, clusterId: string): ViewHome {
  return new DiskViewHome(deps, clusterId);
}

class DiskViewHome implements ViewHome {
  private readonly engine: KvEngine;
  private readonly logger: Logger;
  private readonly clusterId: string;
  private readonly generations = new Map<ViewKeeper, number>();
  private newest = 0;
  private lastWrite: Promise<void> = Promise.resolve();
  private isBroken = false;
  private stopping: Promise<void> | undefined;

  constructor({ engine, logger }: DiskViewDeps, clusterId: string) {
    this.engine = engine;
    this.logger = logger;
    this.clusterId = clusterId;
  }

  async restored(): ReturnType<ViewHome['restored']> {
    try {
      return await this.read();
    } catch (error) {
      this.broken(error);
      return undefined;
    }
  }

  begin(): ViewKeeper {
    this.newest += 1;
    this.write(allOf(this.newest));
    return this.keeperOf(this.newest);
  }

  live(keeper: ViewKeeper): void {
    const generation = this.generations.get(keeper) ?? 0;
    this.write([this.headWrite(generation), ...othersThan(generation)]);
  }

  stop(): Promise<void> {
    this.stopping ??= this.lastWrite.then(() => this.engine.close());
    return this.stopping;
  }

  private keeperOf(generation: number): ViewKeeper {
    const keeper: ViewKeeper = {
      keep: (position: Revision | undefined, changes: readonly ViewChange[]) => {
        const writes = changes.flatMap((change) => writesOf(generation, change));
        if (position !== undefined) writes.push(positionWrite(generation, position));
        this.write(writes);
      },
    };
    this.generations.set(keeper, generation);
    return keeper;
  }

  private headWrite(generation: number): KvWrite {
    const head = { version: VERSION, clusterId: this.clusterId, generation };
    return { kind: 'put', key: HEAD_KEY, value: ViewHead.encode(head).finish() };
  }

  private write(writes: readonly KvWrite[]): void {
    if (this.isBroken || this.stopping !== undefined) return;
    this.lastWrite = this.engine.batch(writes).catch((error: unknown) => {
      this.broken(error);
    });
  }

  private broken(error: unknown): void {
    if (this.isBroken) return;
    this.isBroken = true;
    this.logger.warn({ reason: String(error) }, 'the view is kept in memory only from now on');
  }

  private async read(): ReturnType<ViewHome['restored']> {
    const bytes = await this.engine.get(HEAD_KEY);
    const head = bytes === undefined ? undefined : ViewHead.decode(bytes);
    const isOurs = head?.version === VERSION && head.clusterId === this.clusterId;
    if (head === undefined || !isOurs) {
      this.write([{ kind: 'deleteRange', ...ALL_ROWS }]);
      return undefined;
    }
    this.newest = head.generation;
    this.write(othersThan(head.generation));
    const view = await readView(this.engine, head.generation);
    return view === undefined ? undefined : { view, keeper: this.keeperOf(head.generation) };
  }
}

async function readView(engine: KvEngine, generation: number): Promise<KeptView | undefined> {
  const bytes = await engine.get(positionKey(generation));
  if (bytes === undefined) return undefined;
  const position = revisionOf(FenceToken.decode(bytes));
  const topics = new Map<string, TopicId>();
  for await (const { key, value } of engine.range(topicsOf(generation))) {
    topics.set(topicNameOf(key), topicId(Buffer.from(value).toString()));
  }
  return { position, partitions: await readPartitions(engine, generation), topics };
}

async function readPartitions(engine: KvEngine, generation: number): Promise<KeptPartition[]> {
  const segments = new Map<string, SegmentRecord[]>();
  for await (const { value } of engine.range(segmentsOf(generation))) {
    const record = recordOf(RecordMessage.decode(value));
    const name = partitionKey(record);
    const known = segments.get(name);
    if (known === undefined) segments.set(name, [record]);
    else known.push(record);
  }
  const partitions: KeptPartition[] = [];
  for await (const { value } of engine.range(marksOf(generation))) {
    const { partition, loadedAt, row } = ViewMark.decode(value);
    const id = partitionIdOf(partition);
    const own = segments.get(partitionKey(id)) ?? [];
    const ordered = own.toSorted(compareSegments);
    partitions.push({ id, loadedAt: revisionOf(loadedAt), row, segments: ordered });
  }
  return partitions;
}
