// A broker's partition directory with real files, a catalog and a store in memory: what one copy needs.
import { mkdtemp, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogtierError } from '../../src/base/errors.ts';
import { printLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import type { Lineage } from '../../src/kafka/lineage.ts';
import { printPartitionMetadata } from '../../src/kafka/partition-metadata.ts';
import { segmentFileName } from '../../src/kafka/segment-files.ts';
import { nodeDisk, type Disk } from '../../src/platform/disk.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { topicId } from '../../src/segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../src/segment/segment-record.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { closedSegments, type ClosedSegment } from '../../src/uploader/closed-segments.ts';
import { planCopies } from '../../src/uploader/copy-plan.ts';
import {
  copySegment,
  newTarget,
  resumedTarget,
  type CopyOutcome,
} from '../../src/uploader/copy-segment.ts';
import { uploaderMetrics } from '../../src/uploader/metrics.ts';
import { decideOrphans, settleOrphan } from '../../src/uploader/orphans.ts';
import type { Claim } from '../../src/uploader/segment-ledger.ts';
import {
  buildProducerSnapshot,
  buildSegment,
  plainBatches,
  type BatchSpec,
  type BuiltSegment,
} from './kafka-files.ts';
import { MemoryCatalog, MemoryLedger, type LedgerFaults } from './memory-ledger.ts';
import { MemoryStore } from './memory-store.ts';
import { SkippingClock } from './skipping-clock.ts';

export interface UploadWorldOptions {
  /** Batches of each closed segment; the active one is empty. Default: one segment of 300 records. */
  readonly segments?: readonly (readonly BatchSpec[])[];
  readonly baseOffset?: bigint;
  readonly lineage?: Lineage;
  readonly leaderEpoch?: number;
  readonly storeReportsCrc32?: boolean;
  /** Stands between the flow and the memory store. */
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
}

const ID = { topicId: topicId('zNXW4P_MSfSWcZnwHAkGbA'), partition: 3 };

export class UploadWorld {
  readonly id = ID;
  readonly clock = new SkippingClock(1_732_420_000_000);
  readonly catalog = new MemoryCatalog(() => this.clock.wallMs());
  readonly objects: MemoryStore;
  readonly segments: readonly BuiltSegment[];
  readonly root: string;
  readonly directory: string;
  store: ObjectStore;
  ledger = new MemoryLedger(this.catalog, 1);
  disk: Disk = nodeDisk;
  /** What the broker answers; undefined: it does not lead. */
  lastStableOffset: bigint | undefined;
  /** Called with each question to the broker. */
  onAsked: () => void | Promise<void> = () => undefined;
  readonly steps: string[] = [];
  mayRebuild = false;
  lineage: Lineage;
  readonly leaderEpoch: number;
  readonly metrics = createMetrics();
  private readonly liveMetrics = this.metrics.live(uploaderMetrics);

  constructor(
    root: string,
    segments: readonly BuiltSegment[],
    lineage: Lineage,
    options: UploadWorldOptions,
  ) {
    this.root = root;
    this.directory = join(root, 'orders-3');
    this.segments = segments;
    this.lineage = lineage;
    this.leaderEpoch = options.leaderEpoch ?? 7;
    this.objects = new MemoryStore({
      wallMs: () => this.clock.wallMs(),
      reportsCrc32: options.storeReportsCrc32 ?? true,
    });
    this.store = options.wrapStore?.(this.objects) ?? this.objects;
    this.lastStableOffset = segments.at(-1)?.nextOffset;
  }

  get snapshot(): PartitionSnapshot {
    const snapshot = this.catalog.peek(ID);
    if (snapshot === undefined) throw new Error('nothing was claimed');
    return snapshot;
  }

  path(offset: bigint, kind: Parameters<typeof segmentFileName>[1]): string {
    return join(this.directory, segmentFileName(offset, kind));
  }

  async closed(): Promise<readonly ClosedSegment[]> {
    const entries = await nodeDisk.list(this.directory);
    const files = entries.map(({ name }) => ({ name, sizeBytes: undefined }));
    return closedSegments('orders-3', files).closed;
  }

  claim(leaderEpoch = this.leaderEpoch): Promise<Claim> {
    return this.ledger.claim({
      id: ID,
      topic: 'orders',
      leaderEpoch,
      lineage: this.lineage,
      brokerLocalStart: this.segments[0]?.baseOffset ?? 0n,
      initialRemoteStart: 0n,
    });
  }

  /** Another broker wins the partition. */
  claimBy(brokerId: number, leaderEpoch: number): Promise<Claim> {
    const other = new MemoryLedger(this.catalog, brokerId);
    const request = { id: ID, topic: 'orders', leaderEpoch };
    return other.claim({
      ...request,
      lineage: this.lineage,
      brokerLocalStart: 0n,
      initialRemoteStart: 0n,
    });
  }

  /** Copies the first planned segment, or the one that begins at `startOffset`. */
  async copy(
    claim: Claim,
    options: { startOffset?: bigint; signal?: AbortSignal; lateWindowMs?: number } = {},
  ): Promise<CopyOutcome | 'nothing to copy'> {
    const closed = await this.closed();
    const plan = planCopies({
      snapshot: this.snapshot,
      closed,
      brokerId: this.ledger.brokerId,
    });
    const planned = plan.find(
      ({ segment }) =>
        options.startOffset === undefined || segment.startOffset === options.startOffset,
    );
    if (planned === undefined) return 'nothing to copy';
    const { segment, resumes } = planned;
    const settings = {
      clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
      brokerId: this.ledger.brokerId,
      store: 'main',
      lateWindowMs: options.lateWindowMs ?? 3_600_000,
    };
    const target =
      resumes === undefined
        ? newTarget(
            { clock: this.clock, random: systemRandom },
            settings,
            claim,
            segment.startOffset,
          )
        : resumedTarget(resumes);
    const place = {
      directory: this.directory,
      topicId: ID.topicId,
      startOffset: segment.startOffset,
      nextOffset: segment.nextOffset,
    };
    const job = {
      claim,
      place,
      brokerLocalStart: this.segments[0]?.baseOffset ?? 0n,
      mayRebuild: this.mayRebuild,
      ...target,
    };
    return copySegment(
      this.copyDeps(),
      settings,
      job,
      options.signal ?? new AbortController().signal,
    );
  }

  /** A new life of the sidecar on the same broker: claim, orphans, then every planned copy. */
  async restart(): Promise<Claim> {
    this.ledger = new MemoryLedger(this.catalog, this.ledger.brokerId);
    const claim = await this.claim();
    await this.settleOrphans(claim);
    for (let count = 0; count < 100; count += 1) {
      if ((await this.copy(claim)) === 'nothing to copy') break;
    }
    return claim;
  }

  async settleOrphans(claim: Claim, closed?: readonly ClosedSegment[]) {
    const decisions = decideOrphans({
      snapshot: this.snapshot,
      closed: closed ?? (await this.closed()),
      brokerId: this.ledger.brokerId,
      inFlight: new Set(),
    });
    const outcomes = [];
    for (const decision of decisions) {
      const deps = { ledger: this.ledger, store: this.store };
      outcomes.push(await settleOrphan(deps, claim, decision, new AbortController().signal));
    }
    return { decisions, outcomes };
  }

  faults(faults: LedgerFaults): void {
    this.ledger.faults = faults;
  }

  finished(): SegmentRecord[] {
    return this.catalog.records().filter(({ state }) => state === 'COPY_SEGMENT_FINISHED');
  }

  /** Every object and every unfinished upload that neither a record nor the delete queue names. */
  unaccounted(): string[] {
    const known = new Set([
      ...this.catalog.records().map(({ objectKey }) => objectKey),
      ...this.catalog.eraseQueue.map(({ objectKey }) => objectKey),
    ]);
    const uploadIds = new Set(
      [...this.catalog.records(), ...this.catalog.eraseQueue].flatMap((entry) => entry.uploadIds),
    );
    return [
      ...[...this.objects.objects.keys()].filter((key) => !known.has(key)),
      ...[...this.objects.unfinished.keys()].filter((id) => !uploadIds.has(id)),
    ];
  }

  /** As local retention does: renamed first, unlinked a minute later. */
  async deleteLocally(segment: BuiltSegment, how: 'renamed' | 'unlinked'): Promise<void> {
    for (const kind of ['log', 'index', 'timeindex', 'snapshot'] as const) {
      const path = this.path(segment.baseOffset, kind);
      const exists = await readFile(path).catch(() => undefined);
      if (exists === undefined) continue;
      if (how === 'renamed') await rename(path, `${path}.deleted`);
      else await rm(path);
    }
  }

  truncateLog(segment: BuiltSegment, bytes: number): Promise<void> {
    return truncate(this.path(segment.baseOffset, 'log'), bytes);
  }

  async writeLineage(lineage: Lineage): Promise<void> {
    this.lineage = lineage;
    const path = join(this.directory, 'leader-epoch-checkpoint');
    await writeFile(path, printLeaderEpochCheckpoint(lineage));
  }

  copyDeps() {
    return {
      disk: this.disk,
      store: this.store,
      ledger: this.ledger,
      clock: this.clock,
      metrics: this.liveMetrics,
      progress: {
        step: (step: string) => this.steps.push(step),
        sent: () => undefined,
      },
      leader: {
        lastStableOffset: async () => {
          this.steps.push('asked');
          await this.onAsked();
          if (this.lastStableOffset !== undefined) return this.lastStableOffset;
          throw new LogtierError('NOT_LEADER_OR_FOLLOWER', 'it does not lead');
        },
      },
    };
  }
}

/** Writes the files as a broker does when it rolls; call `removeWorlds` after each test. */
export async function uploadWorld(options: UploadWorldOptions = {}): Promise<UploadWorld> {
  const epoch = options.leaderEpoch ?? 7;
  const specs = options.segments ?? [plainBatches(300, { epoch })];
  const segments: BuiltSegment[] = [];
  let baseOffset = options.baseOffset ?? 1000n;
  for (const batches of specs) {
    const segment = await buildSegment({ baseOffset, batches });
    segments.push(segment);
    baseOffset = segment.nextOffset;
  }
  const root = await mkdtemp(join(tmpdir(), 'logtier-uploader-'));
  roots.push(root);
  const first = segments[0]?.baseOffset ?? 0n;
  const lineage = options.lineage ?? [{ epoch, startOffset: first }];
  const world = new UploadWorld(root, segments, lineage, options);
  await mkdir(world.directory);
  for (const segment of segments) await writeSegment(world, segment);
  await writeFile(world.path(baseOffset, 'log'), '');
  await writeFile(join(world.directory, 'partition.metadata'), printPartitionMetadata(ID.topicId));
  await world.writeLineage(lineage);
  return world;
}

const roots: string[] = [];

export async function removeWorlds(): Promise<void> {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
}

async function writeSegment(world: UploadWorld, segment: BuiltSegment): Promise<void> {
  await writeFile(world.path(segment.baseOffset, 'log'), segment.log);
  await writeFile(world.path(segment.baseOffset, 'index'), segment.index);
  await writeFile(world.path(segment.baseOffset, 'timeindex'), segment.timeindex);
  if (segment.txnindex !== undefined) {
    await writeFile(world.path(segment.baseOffset, 'txnindex'), segment.txnindex);
  }
  const snapshot = buildProducerSnapshot([]);
  await writeFile(world.path(segment.nextOffset, 'snapshot'), snapshot);
}
