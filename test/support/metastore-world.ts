// A metastore in one process, on memory or on disk, with a door between client and service that loses
// calls on demand.
import { LogtierError } from '../../src/base/errors.ts';
import { CommandChannel } from '../../src/metastore/client/command-channel.ts';
import { MetastoreEraseQueue } from '../../src/metastore/client/erase-queue.ts';
import { LocalView } from '../../src/metastore/client/local-view.ts';
import { MetastoreQueries } from '../../src/metastore/client/metastore-queries.ts';
import { OperatorCommands } from '../../src/metastore/client/operator-commands.ts';
import { forgetfulHome, type ViewHome } from '../../src/metastore/client/view-home.ts';
import { MetastoreLedger } from '../../src/metastore/client/segment-ledger.ts';
import type { CatalogTransport } from '../../src/metastore/client/catalog-transport.ts';
import { metastoreClientSettings } from '../../src/metastore/client/settings.ts';
import { MemoryStore } from '../../src/metastore/engine/memory-engine.ts';
import type { KvEngine } from '../../src/metastore/engine/kv-engine.ts';
import { type CatalogMember, openMember } from '../../src/metastore/member/catalog-member.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import {
  type CatalogService,
  catalogService,
} from '../../src/metastore/service/catalog-service.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { type SegmentId, segmentId, topicId, type TopicId } from '../../src/segment/ids.ts';
import type { SegmentLookup } from '../../src/fetcher/segment-lookup.ts';
import type {
  ClaimRequest,
  CopyIntent,
  EraseQueue,
  MetastoreClock,
  SegmentLedger,
  SegmentView,
} from '../../src/uploader/segment-ledger.ts';
import { fixedHome } from './engine-homes.ts';
import { type MemoryLog, MemoryLogStore } from './memory-log.ts';
import { CLUSTER, idNumber, METASTORE, TOPIC_ID } from './metastore-catalog.ts';
import { ManualClock, settled } from './metastore-clock.ts';

export const NEVER: AbortSignal = new AbortController().signal;
export const clientSettings = metastoreClientSettings.parse({});
export const TOPIC: TopicId = topicId(TOPIC_ID);

/** What happens to the next calls, first come first. */
export type Accident = 'request lost' | 'reply lost';

export class Door implements CatalogTransport {
  service: CatalogService;
  readonly accidents: Accident[] = [];
  isShut = false;
  mutations = 0;
  private cut = new AbortController();

  constructor(service: CatalogService) {
    this.service = service;
  }

  /** Ends the streams; new calls go to the service that is there now. */
  breakStreams(): void {
    this.cut.abort(new LogtierError('METASTORE_UNAVAILABLE', 'the stream broke'));
    this.cut = new AbortController();
  }

  mutate: CatalogTransport['mutate'] = async (request, signal) => {
    this.mutations += 1;
    this.requireOpen();
    const accident = this.accidents.shift();
    if (accident === 'request lost') throw unavailable();
    const response = await this.service.mutate(request, signal);
    if (accident === 'reply lost') throw unavailable();
    return response;
  };

  query: CatalogTransport['query'] = async (request, signal) => {
    this.requireOpen();
    return await this.service.query(request, signal);
  };

  listSegments: CatalogTransport['listSegments'] = (request, signal) => {
    this.requireOpen();
    return this.service.listSegments(request, this.either(signal));
  };

  watch: CatalogTransport['watch'] = (request, signal) => {
    this.requireOpen();
    return this.service.watch(request, this.either(signal));
  };

  private either(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.cut.signal]);
  }

  private requireOpen(): void {
    if (this.isShut) throw unavailable();
  }
}

function unavailable(): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', 'on demand');
}

export class MetastoreWorld {
  readonly clock: Clock & ManualClock = new ManualClock();
  readonly engines = new MemoryStore();
  readonly logs = new MemoryLogStore();
  engine!: KvEngine;
  log!: MemoryLog;
  member!: CatalogMember;
  door!: Door;
  private readonly closing: { stop(): Promise<void> }[] = [];

  static async open(): Promise<MetastoreWorld> {
    const world = new MetastoreWorld();
    await world.start();
    world.door = new Door(catalogService(world.member));
    return world;
  }

  /** A new life of the member over what engine and log kept. */
  async start(): Promise<void> {
    this.engine = await this.engines.open();
    this.log = this.logs.open();
    const home = fixedHome(this.engine);
    const deps = { home, log: this.log, clock: this.clock, logger: silentLogger };
    this.member = await openMember(deps, memberSettings.parse({}), METASTORE);
    await this.member.barrier(NEVER);
  }

  /** Power loss: of the unflushed batches only the first `kept` stay. */
  async crash(kept: number): Promise<void> {
    const { member } = this;
    await this.log.stop();
    this.engines.crash(kept);
    await member.stop();
    await this.start();
    this.door.service = catalogService(this.member);
    this.door.breakStreams();
  }

  client(brokerId = 1, instance = `process of ${brokerId}`): TestMetastoreClient {
    const client = new TestMetastoreClient(this.door, this.clock, { brokerId, instance });
    this.closing.push(client.channel);
    return client;
  }

  async view(home: ViewHome = forgetfulHome): Promise<LocalView & SegmentView & SegmentLookup> {
    const view = new LocalView({ ...this.deps(), home }, clientSettings, CLUSTER);
    view.start();
    this.closing.push(view);
    await settled();
    return view;
  }

  async close(): Promise<void> {
    const stopping = this.closing.map((one) => one.stop());
    await Promise.all([...stopping, this.member.stop()]);
    await this.engine.close();
  }

  private deps() {
    return { transport: this.door, clock: this.clock, random: systemRandom, logger: silentLogger };
  }
}

export class TestMetastoreClient {
  readonly channel: CommandChannel;
  readonly ledger: SegmentLedger;
  readonly queries: MetastoreQueries & MetastoreClock;
  readonly eraseQueue: EraseQueue;
  readonly operator: OperatorCommands;

  constructor(
    transport: CatalogTransport,
    clock: Clock,
    identity: { readonly brokerId: number; readonly instance: string },
  ) {
    const deps = { transport, clock, random: systemRandom, logger: silentLogger };
    this.channel = new CommandChannel(deps, clientSettings, { clusterId: CLUSTER, ...identity });
    this.ledger = new MetastoreLedger(this.channel, 'watch');
    this.queries = new MetastoreQueries(transport, CLUSTER);
    this.eraseQueue = new MetastoreEraseQueue(this.channel, this.queries);
    this.operator = new OperatorCommands(this.channel);
  }
}

export function claimRequest(facts: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    id: { topicId: TOPIC, partition: 0 },
    topic: 'orders',
    leaderEpoch: 0,
    lineage: [{ epoch: 0, startOffset: 0n }],
    brokerLocalStart: 0n,
    initialRemoteStart: 0n,
    ...facts,
  };
}

export function segmentName(number: number): SegmentId {
  return segmentId(idNumber(number));
}

/** Segment `number` holds offsets [100·number, 100·number + 100). */
export function intent(number: number, partition = 0): CopyIntent {
  const startOffset = BigInt(number) * 100n;
  const id = segmentName(number);
  return {
    topicId: TOPIC,
    partition,
    segmentId: id,
    store: 'main',
    objectKey: `tier/${CLUSTER}/orders-${TOPIC}/${partition}/${id}.segment`,
    startOffset,
    nextOffset: startOffset + 100n,
    maxTimestampMs: 5,
    brokerId: 1,
    logBytes: 1000,
    objectBytes: 1100,
    epochs: [{ epoch: 0, startOffset }],
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
    brokerLineage: [],
    brokerLocalStart: 0n,
  };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof LogtierError ? error.code : String(error);
  }
}
