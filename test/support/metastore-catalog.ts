// A catalog on a memory engine, driven entry by entry: what a member does, without a log.
import { createHash } from 'node:crypto';
import {
  type CatalogEvent,
  type CatalogState,
  type ClaimPartition,
  Command,
  type CommandResult,
  type FenceToken,
  type LeaderEpochEntry,
  type Op,
  type PartitionRef,
  type SegmentRecord,
  SegmentState,
  TopicMode,
} from '../../src/gen/logtier/v1/catalog_command.ts';
import {
  type AppliedBatch,
  applyEntries,
  type CommittedEntry,
} from '../../src/metastore/catalog/apply.ts';
import { EngineBase } from '../../src/metastore/catalog/engine-base.ts';
import { readState } from '../../src/metastore/catalog/state.ts';
import type { KvEngine } from '../../src/metastore/engine/kv-engine.ts';
import { openMemoryEngine } from '../../src/metastore/engine/memory-engine.ts';

export type AnyOp = NonNullable<Op['op']>;

export const METASTORE = 'metastore-1';
export const CLUSTER = 'cluster-A';
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
export const PARTITION: PartitionRef = { topicId: TOPIC_ID, partition: 0 };
/** 2026-01-01, in ms. */
export const START_MS = 1_767_225_600_000n;
export const HOUR_MS = 3_600_000n;

/** Segment ids that differ and sort by `number`. */
export function idNumber(number: number): string {
  const bytes = Buffer.alloc(16, 1);
  bytes.writeUInt32BE(number, 12);
  return bytes.toString('base64url');
}

export function segment(facts: Partial<SegmentRecord> = {}): SegmentRecord {
  const topicId = facts.topicId ?? TOPIC_ID;
  const partition = facts.partition ?? 0;
  const segmentId = facts.segmentId ?? idNumber(1);
  return {
    topicId,
    partition,
    segmentId,
    state: SegmentState.UNSPECIFIED,
    fenceToken: undefined,
    store: 'main',
    objectKey: `tier/${CLUSTER}/orders-${topicId}/${partition}/${segmentId}.segment`,
    uploadIds: [],
    startOffset: 0n,
    nextOffset: 100n,
    maxTimestampMs: 5n,
    eventTimestampMs: 0n,
    brokerId: 1,
    logBytes: 1000n,
    objectBytes: 1100n,
    epochs: [{ epoch: 0, startOffset: facts.startOffset ?? 0n }],
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
    adopted: false,
    customMetadata: Buffer.alloc(0),
    ...facts,
  };
}

export function claimOp(facts: Partial<ClaimPartition> = {}): AnyOp {
  return {
    $case: 'claimPartition',
    value: {
      partition: PARTITION,
      topic: 'orders',
      leaderEpoch: 0,
      brokerId: 1,
      brokerEpoch: 0n,
      mode: TopicMode.WATCH,
      lineage: [{ epoch: 0, startOffset: 0n }],
      brokerLocalStart: 0n,
      initialRemoteStart: facts.brokerLocalStart ?? 0n,
      ...facts,
    },
  };
}

export function startOp(
  token: FenceToken,
  intentNumber: number,
  facts: Partial<SegmentRecord> = {},
  told: { lineage?: LeaderEpochEntry[]; brokerLocalStart?: bigint } = {},
): AnyOp {
  return {
    $case: 'startCopy',
    value: {
      segment: segment({ ...facts, fenceToken: token }),
      intentNumber: BigInt(intentNumber),
      lineage: told.lineage ?? [],
      brokerLocalStart: told.brokerLocalStart ?? 0n,
    },
  };
}

type OfSegment = 'finishCopy' | 'adoptIntent' | 'finishDelete' | 'abortCopy';

export function segmentOp(name: OfSegment, fenceToken: FenceToken, segmentId = idNumber(1)): AnyOp {
  const value = { partition: PARTITION, fenceToken, segmentId };
  return name === 'abortCopy'
    ? { $case: name, value: { ...value, reason: 'test' } }
    : { $case: name, value };
}

export interface TestClient {
  readonly id: bigint;
  seq: bigint;
}

/** What an operation answered: its refusal's code, or its case. */
export function outcomes(result: CommandResult): string[] {
  return result.results.map(({ result: it }) =>
    it?.$case === 'refused' ? it.value.code : (it?.$case ?? 'nothing'),
  );
}

interface TestCommand {
  readonly ops: AnyOp[];
  readonly clientId?: bigint;
  readonly seq?: bigint;
  readonly answeredBelow?: bigint;
  readonly clusterId?: string;
  readonly incarnation?: number;
  readonly nowMs?: bigint;
}

export class CatalogWorld {
  readonly engine: KvEngine;
  private readonly rows: EngineBase;
  state: CatalogState;
  nowMs = START_MS;
  /** Every entry so far, for replays. */
  readonly entries: CommittedEntry[] = [];
  readonly events: CatalogEvent[] = [];

  private constructor(engine: KvEngine, state: CatalogState) {
    this.engine = engine;
    this.rows = new EngineBase(engine);
    this.state = state;
  }

  static async open(): Promise<CatalogWorld> {
    const engine = await openMemoryEngine();
    return new CatalogWorld(engine, await readState(engine, METASTORE));
  }

  async register(brokerId = 1, instance = `process-${this.entries.length}`): Promise<TestClient> {
    const result = await this.apply({
      ops: [{ $case: 'registerClient', value: { brokerId, instance } }],
    });
    const [answer] = result.results;
    if (answer?.result?.$case !== 'clientRegistered')
      throw new Error(JSON.stringify(outcomes(result)));
    return { id: answer.result.value.clientId, seq: 0n };
  }

  /** The client's next command. */
  async run(client: TestClient, ...ops: AnyOp[]): Promise<CommandResult> {
    client.seq += 1n;
    return await this.apply({ clientId: client.id, seq: client.seq, ops });
  }

  /** The answers of the client's next command, by case or by refusal. */
  async try(client: TestClient, ...ops: AnyOp[]): Promise<string[]> {
    return outcomes(await this.run(client, ...ops));
  }

  async claim(client: TestClient, facts: Partial<ClaimPartition> = {}): Promise<FenceToken> {
    const result = await this.run(client, claimOp(facts));
    const [answer] = result.results;
    if (answer?.result?.$case !== 'partitionClaimed') throw new Error(outcomes(result).join());
    return answer.result.value.fenceToken!;
  }

  async apply(command: TestCommand): Promise<CommandResult> {
    const { results } = await this.applyBytes([this.encode(command)]);
    return results.get(this.state.appliedIndex)!;
  }

  private encode(command: TestCommand): Uint8Array {
    return Command.encode({
      incarnation: command.incarnation ?? this.state.incarnation,
      clientId: command.clientId ?? 0n,
      seq: command.seq ?? 0n,
      nowMs: command.nowMs ?? this.nowMs,
      clusterId: command.clusterId ?? CLUSTER,
      ops: command.ops.map((op): Op => ({ op })),
      answeredBelow: command.answeredBelow ?? 0n,
    }).finish();
  }

  /** The client's next command, with all that it wrote. */
  async applyOps(client: TestClient, ...ops: AnyOp[]): Promise<AppliedBatch> {
    client.seq += 1n;
    return await this.applyBytes([this.encode({ clientId: client.id, seq: client.seq, ops })]);
  }

  async applyBytes(commands: readonly Uint8Array[]): Promise<AppliedBatch> {
    const start = this.state.appliedIndex + 1n;
    const entries = commands.map((command, at) => ({
      index: start + BigInt(at),
      term: 1n,
      command,
    }));
    this.entries.push(...entries);
    const applied = await applyEntries(this.rows, this.state, entries);
    await this.engine.batch(applied.writes);
    this.rows.applied(applied.writes);
    this.state = applied.state;
    this.events.push(...applied.revisions.flatMap(({ events }) => events));
    return applied;
  }
}

/** Over all keys and values. */
export async function contentHash(engine: KvEngine): Promise<string> {
  const hash = createHash('sha256');
  const everything = { from: new Uint8Array(0), to: Uint8Array.of(0xff) };
  for await (const { key, value } of engine.range(everything)) {
    hash.update(`${key.length} ${value.length} `).update(key).update(value);
  }
  return hash.digest('hex');
}
