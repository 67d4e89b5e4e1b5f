// `logtier store audit`: every object of a store beside every record of it. It only tells; it changes nothing.
//
// Both sides move while it looks, so nothing is told on one look alone: an object without a record is looked for in
// the delete queue and then in the store again, a record without its object is asked for itself and then again.
import { LogtierError, hasCode } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import type { AuditStoreResponse, StoreFinding } from '../gen/logtier/v1/operator.ts';
import { parseObjectKey } from '../segment/object-key.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore, StoredObject } from '../store/object-store.ts';
import type { CatalogPartition, RemoteCatalog } from './remote-catalog.ts';

export const storeFindingCodes = {
  OBJECT_WITHOUT_RECORD: 'No record and no entry of the delete queue names the object.',
  OBJECT_MISSING: 'A finished segment names the object, and the store does not have it.',
  OBJECT_SIZE_DIFFERS: 'The object has another size than its record says.',
  OBJECT_FOREIGN: 'The object stands among ours under a name that Logtier does not give.',
} as const satisfies Record<string, string>;

type StoreFindingCode = keyof typeof storeFindingCodes;

export interface StoreAuditDeps {
  readonly catalog: Pick<
    RemoteCatalog,
    'partitions' | 'find' | 'segment' | 'eraseQueue' | 'erasePrefixes'
  >;
  readonly stores: ReadonlyMap<string, Pick<ObjectStore, 'list' | 'stat'>>;
}

/** Questions under way to the metastore or the store. */
const QUESTIONS_AT_ONCE = 16;
/** Objects of one partition that are compared at once: bounds memory, whatever a store holds. */
const GROUP_OBJECTS = 10_000;
/** Entries of the delete queue that are looked at; a longer one explains less than it should. */
const QUEUE_LIMIT = 100_000;

export async function* auditStore(
  deps: StoreAuditDeps,
  { clusterId }: { readonly clusterId: string },
  storeName: string,
  signal: AbortSignal,
): AsyncGenerator<AuditStoreResponse, void, undefined> {
  const [name, store] = storeNamed(deps.stores, storeName);
  const audit = new StoreAudit(deps.catalog, name, store, signal);
  const left = new Map<string, CatalogPartition>();
  for (const found of await deps.catalog.partitions(undefined, signal))
    left.set(placeOf(found.id), found);
  const seen = new Set<string>();
  for await (const group of groups(store.list(`${clusterId}/`, '', signal))) {
    const partition = left.get(group.place);
    for (const { key } of group.objects) seen.add(key);
    yield audit.answer(await audit.compare(group.objects, partition));
    if (!group.isLast) continue;
    if (partition !== undefined) yield audit.answer(await audit.missing(partition, seen));
    left.delete(group.place);
    seen.clear();
  }
  for (const partition of left.values())
    yield audit.answer(await audit.missing(partition, new Set()));
  yield { ...audit.answer([]), complete: true };
}

function storeNamed<Store>(
  stores: ReadonlyMap<string, Store>,
  asked: string,
): readonly [string, Store] {
  const [only, another] = stores;
  if (asked === '' && only !== undefined && another === undefined) return only;
  const names = [...stores.keys()].join(', ');
  if (asked === '') throw new LogtierError('INVALID_ARGUMENT', `which store? There are ${names}`);
  const store = stores.get(asked);
  if (store !== undefined) return [asked, store];
  throw new LogtierError('NOT_FOUND', `no store '${asked}' is configured here`, {
    hint: `this sidecar has ${names}`,
  });
}

function placeOf({ topicId, partition }: CatalogPartition['id']): string {
  return `${topicId}/${partition}`;
}

/** Objects of one partition, or of none of ours. */
interface Group {
  readonly place: string;
  readonly objects: StoredObject[];
  /** False: more of the same partition follows. */
  readonly isLast: boolean;
}

/** A listing is in key order, so a partition's objects come together. */
async function* groups(objects: AsyncIterable<StoredObject>): AsyncGenerator<Group> {
  let place: string | undefined;
  let kept: StoredObject[] = [];
  for await (const object of objects) {
    const parsed = parseObjectKey(object.key);
    const next = parsed === undefined ? '' : placeOf(parsed.id);
    const isFull = kept.length >= GROUP_OBJECTS;
    if (place !== undefined && (next !== place || isFull)) {
      yield { place, objects: kept, isLast: next !== place };
      kept = [];
    }
    place = next;
    kept.push(object);
  }
  if (place !== undefined) yield { place, objects: kept, isLast: true };
}

class StoreAudit {
  private readonly catalog: StoreAuditDeps['catalog'];
  private readonly name: string;
  private readonly store: Pick<ObjectStore, 'stat'>;
  private readonly signal: AbortSignal;
  private counts = { objects: 0n, objectBytes: 0n, partitions: 0n, findings: 0n };

  constructor(
    catalog: StoreAuditDeps['catalog'],
    name: string,
    store: Pick<ObjectStore, 'stat'>,
    signal: AbortSignal,
  ) {
    this.catalog = catalog;
    this.name = name;
    this.store = store;
    this.signal = signal;
  }

  answer(findings: StoreFinding[]): AuditStoreResponse {
    const { counts } = this;
    this.counts = { ...counts, findings: counts.findings + BigInt(findings.length) };
    return { findings, counts: { ...this.counts }, complete: false };
  }

  /** `partition` is undefined when the catalog does not know it. */
  async compare(
    objects: readonly StoredObject[],
    partition: CatalogPartition | undefined,
  ): Promise<StoreFinding[]> {
    for (const { sizeBytes } of objects) {
      this.counts.objects += 1n;
      this.counts.objectBytes += BigInt(sizeBytes);
    }
    const records = await this.recordsOf(partition);
    const told = await mapAtOnce(objects, QUESTIONS_AT_ONCE, (object) =>
      this.compareOne(object, records),
    );
    const orphans = objects.filter((_, index) => told[index] === 'without record');
    const findings = told.flatMap((found) => (typeof found === 'object' ? [found] : []));
    return [...findings, ...(await this.orphans(orphans))];
  }

  /** Finished segments of the partition in this store whose object was not seen. */
  async missing(partition: CatalogPartition, seen: ReadonlySet<string>): Promise<StoreFinding[]> {
    this.counts.partitions += 1n;
    const records = await this.recordsOf(partition);
    const unseen = [...records.values()].filter(
      (record) => isFinishedIn(record, this.name) && !seen.has(record.objectKey),
    );
    const told = await mapAtOnce(unseen, QUESTIONS_AT_ONCE, (record) => this.isMissing(record));
    return unseen
      .filter((_, index) => told[index])
      .map((record) => findingOf('OBJECT_MISSING', record.objectKey, record.objectBytes));
  }

  /** By key. Empty for a topic that was made anew under its name: its records are asked one by one. */
  private async recordsOf(
    partition: CatalogPartition | undefined,
  ): Promise<ReadonlyMap<string, SegmentRecord>> {
    if (partition === undefined) return new Map();
    const { id, row } = partition;
    try {
      const snapshot = await this.catalog.find(row.topic, id.partition, this.signal);
      if (snapshot.id.topicId !== id.topicId) return new Map();
      return new Map(snapshot.segments.map((record) => [record.objectKey, record]));
    } catch (error) {
      if (hasCode(error, 'NOT_FOUND')) return new Map();
      throw error;
    }
  }

  private async compareOne(
    { key, sizeBytes }: StoredObject,
    records: ReadonlyMap<string, SegmentRecord>,
  ): Promise<StoreFinding | 'fits' | 'without record'> {
    const parsed = parseObjectKey(key);
    if (parsed === undefined) return findingOf('OBJECT_FOREIGN', key, sizeBytes);
    const record =
      records.get(key) ?? (await this.catalog.segment(parsed.id, parsed.segmentId, this.signal));
    if (record === undefined || record.objectKey !== key || record.store !== this.name)
      return 'without record';
    if (!isFinishedIn(record, this.name) || record.objectBytes === sizeBytes) return 'fits';
    const words = `${storeFindingCodes.OBJECT_SIZE_DIFFERS} It says ${record.objectBytes} bytes.`;
    return { ...findingOf('OBJECT_SIZE_DIFFERS', key, sizeBytes), text: words };
  }

  /** An erased object leaves the store before its entry leaves the queue. */
  private async orphans(objects: readonly StoredObject[]): Promise<StoreFinding[]> {
    if (objects.length === 0) return [];
    const { catalog, signal } = this;
    const ours = ({ store }: { readonly store: string }): boolean => store === this.name;
    const queue = await catalog.eraseQueue(QUEUE_LIMIT, signal);
    const prefixes = (await catalog.erasePrefixes(QUEUE_LIMIT, signal)).filter(ours);
    const queued = new Set(queue.filter(ours).map(({ objectKey }) => objectKey));
    const unexplained = objects.filter(
      ({ key }) => !queued.has(key) && !prefixes.some(({ keyPrefix }) => key.startsWith(keyPrefix)),
    );
    const told = await mapAtOnce(unexplained, QUESTIONS_AT_ONCE, ({ key }) => this.isThere(key));
    return unexplained
      .filter((_, index) => told[index])
      .map(({ key, sizeBytes }) => findingOf('OBJECT_WITHOUT_RECORD', key, sizeBytes));
  }

  private async isMissing(record: SegmentRecord): Promise<boolean> {
    if (await this.isThere(record.objectKey)) return false;
    const id = { topicId: record.topicId, partition: record.partition };
    const now = await this.catalog.segment(id, record.segmentId, this.signal);
    return now !== undefined && isFinishedIn(now, this.name);
  }

  private async isThere(key: string): Promise<boolean> {
    try {
      await this.store.stat(key, this.signal);
      return true;
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return false;
      throw error;
    }
  }
}

function isFinishedIn({ state, store }: SegmentRecord, name: string): boolean {
  return state === 'COPY_SEGMENT_FINISHED' && store === name;
}

function findingOf(code: StoreFindingCode, objectKey: string, objectBytes: number): StoreFinding {
  return { code, objectKey, objectBytes: BigInt(objectBytes), text: storeFindingCodes[code] };
}
