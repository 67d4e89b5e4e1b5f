// Manifests and sections of segments, by ranged reads, checked, kept by their bytes.
import { LRUCache } from 'lru-cache';
import { rangeBytes, type ByteRange } from '../base/byte-range.ts';
import { LogtierError } from '../base/errors.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { untilAborted } from '../cache/until-aborted.ts';
import type { SegmentId } from '../segment/ids.ts';
import { checkSection, parseTail, readManifest } from '../segment/segment-object-reader.ts';
import {
  findSection,
  type ObjectManifest,
  type ObjectSection,
  type SectionKind,
} from '../segment/segment-object.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { Lanes } from './lanes.ts';

/** What follows the log is read in one go when it is no larger: one answer of the store instead of three. */
const WHOLE_TAIL_BYTES = 512 * 2 ** 10;
/** A manifest in memory: checksums of 512 chunks and the objects around them. */
const MANIFEST_BYTES = 16 * 2 ** 10;

/** Reads of indexes in flight in one store; a store that hangs holds up no other. */
const READS_PER_STORE = 8;

export type StoreOf = (name: string) => ObjectStore;

/** A segment whose manifest was read and found to be that of its record. */
export interface OpenSegment {
  readonly record: SegmentRecord;
  readonly manifest: ObjectManifest;
}

interface Kept {
  readonly manifest: ObjectManifest;
  readonly sections: ReadonlyMap<SectionKind, Uint8Array>;
}

function sizeOf({ sections }: Kept): number {
  return [...sections.values()].reduce((sum, bytes) => sum + bytes.length, MANIFEST_BYTES);
}

/** One read of the store for all who ask meanwhile; who leaves stops waiting, the read goes on. */
export class IndexReader {
  private readonly stores: StoreOf;
  private readonly kept: LRUCache<string, Kept>;
  private readonly manifests = new SingleFlight<Kept>();
  private readonly sections = new SingleFlight<Uint8Array>();
  private readonly lanes = new Lanes(READS_PER_STORE);
  private readonly stopping = new AbortController();

  constructor(stores: StoreOf, limitBytes: number) {
    this.stores = stores;
    this.kept = new LRUCache({ maxSize: limitBytes, sizeCalculation: sizeOf });
  }

  async open(record: SegmentRecord, signal: AbortSignal): Promise<OpenSegment> {
    const kept = await this.keptOf(record, signal);
    return { record, manifest: kept.manifest };
  }

  /** The bytes of a section, not to be changed; undefined when the segment has none. */
  async section(
    { record, manifest }: OpenSegment,
    kind: SectionKind,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const section = findSection(manifest, kind);
    if (section === undefined) return undefined;
    const kept = this.kept.get(record.segmentId)?.sections.get(kind);
    if (kept !== undefined) return kept;
    const load = (): Promise<Uint8Array> => this.loadSection(record, section);
    return await untilAborted(this.sections.run(`${record.segmentId}/${kind}`, load), signal);
  }

  forget(segmentId: SegmentId): void {
    this.kept.delete(segmentId);
  }

  /** Reads in flight are given up. */
  stop(): void {
    this.stopping.abort(new LogtierError('ABORTED', 'the fetcher stops'));
    this.kept.clear();
  }

  private async keptOf(record: SegmentRecord, signal: AbortSignal): Promise<Kept> {
    const kept = this.kept.get(record.segmentId);
    if (kept !== undefined) return kept;
    const load = (): Promise<Kept> => this.loadManifest(record);
    return await untilAborted(this.manifests.run(record.segmentId, load), signal);
  }

  private async loadManifest(record: SegmentRecord): Promise<Kept> {
    const { logBytes, objectBytes } = record;
    const isSmall = objectBytes - logBytes <= WHOLE_TAIL_BYTES;
    const kept = isSmall ? await this.loadTail(record) : await this.loadLargeTail(record);
    requireSameSegment(record, kept.manifest);
    this.kept.set(record.segmentId, kept);
    return kept;
  }

  private async loadTail(record: SegmentRecord): Promise<Kept> {
    const { logBytes, objectBytes } = record;
    const tail = await this.readRange(record, { start: logBytes, end: objectBytes });
    const parsed = parseTail(tail, objectBytes);
    if (!('manifest' in parsed)) return await this.loadLargeTail(record);
    const sections = new Map<SectionKind, Uint8Array>();
    for (const section of parsed.manifest.sections) {
      const { kind, range } = section;
      if (kind === 'log' || range.start < logBytes) continue;
      const bytes = tail.subarray(range.start - logBytes, range.end - logBytes);
      checkSection(section, bytes);
      sections.set(kind, bytes);
    }
    return { manifest: parsed.manifest, sections };
  }

  private async loadLargeTail(record: SegmentRecord): Promise<Kept> {
    const read = (range: ByteRange): Promise<Uint8Array> => this.readRange(record, range);
    const manifest = await readManifest(record.objectBytes, read, this.stopping.signal);
    return { manifest, sections: new Map() };
  }

  private async loadSection(record: SegmentRecord, section: ObjectSection): Promise<Uint8Array> {
    const bytes = await this.readRange(record, section.range);
    checkSection(section, bytes);
    const kept = this.kept.get(record.segmentId);
    if (kept !== undefined) {
      const sections = new Map(kept.sections).set(section.kind, bytes);
      this.kept.set(record.segmentId, { ...kept, sections });
    }
    return bytes;
  }

  private readRange(record: SegmentRecord, range: ByteRange): Promise<Uint8Array> {
    return this.lanes.within(record.store, () => this.readNow(record, range));
  }

  private async readNow(record: SegmentRecord, range: ByteRange): Promise<Uint8Array> {
    const into = Buffer.allocUnsafe(rangeBytes(range));
    let at = 0;
    const { signal } = this.stopping;
    for await (const piece of this.stores(record.store).get(record.objectKey, range, signal)) {
      if (at + piece.length > into.length) break;
      into.set(piece, at);
      at += piece.length;
    }
    if (at === into.length) return into;
    throw new LogtierError('STORE_UNAVAILABLE', `the store sent ${at} of ${into.length} bytes`, {
      details: { objectKey: record.objectKey },
    });
  }
}

/** What else they hold is compared by the verifier; these decide which bytes are answered. */
function requireSameSegment(record: SegmentRecord, manifest: ObjectManifest): void {
  const isSame =
    manifest.segmentId === record.segmentId &&
    manifest.topicId === record.topicId &&
    manifest.partition === record.partition &&
    manifest.startOffset === record.startOffset &&
    manifest.nextOffset === record.nextOffset &&
    findSection(manifest, 'log')?.range.end === record.logBytes;
  if (isSame) return;
  throw new LogtierError('OBJECT_CORRUPT', 'the object is not the segment its record names', {
    details: { objectKey: record.objectKey },
  });
}
