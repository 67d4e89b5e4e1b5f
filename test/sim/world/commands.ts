// What sidecars ask for, and what they believe: drawn at random, often wrong, so that every fence is met.
import { hasCode } from '../../../src/base/errors.ts';
import {
  DeleteReason,
  type FenceToken,
  RemoteStartMover,
} from '../../../src/gen/logtier/v1/catalog_command.ts';
import type { AnyOp, CommandAnswer } from '../../../src/metastore/client/command-channel.ts';
import { type PartitionId, topicId } from '../../../src/segment/ids.ts';
import type { Draw } from '../../support/memory-disk.ts';
import { claimOp, idNumber, startOp } from '../../support/metastore-catalog.ts';
import { keyOf } from './reference-print.ts';

interface Leadership {
  broker: number;
  epoch: number;
}

export interface NamedPartition {
  readonly name: string;
  readonly id: PartitionId;
}

/** The Kafka cluster: who leads what, and every segment that anybody ever began. */
export class Topics {
  readonly partitions: readonly NamedPartition[] = [
    { name: 'orders', id: { topicId: topicId(idNumber(900_001)), partition: 0 } },
    { name: 'orders', id: { topicId: topicId(idNumber(900_001)), partition: 1 } },
    { name: 'clicks', id: { topicId: topicId(idNumber(900_002)), partition: 0 } },
  ];
  readonly brokers: number;
  private readonly leaders = new Map<string, Leadership>();
  private readonly segments = new Map<string, string[]>();
  private count = 0;

  constructor(brokers: number) {
    this.brokers = brokers;
    for (const { id } of this.partitions) {
      this.leaders.set(keyOf(id), { broker: 1 + (id.partition % brokers), epoch: 1 });
      this.segments.set(keyOf(id), []);
    }
  }

  leader(id: PartitionId): Leadership {
    return { ...this.leaders.get(keyOf(id))! };
  }

  moveLeader(id: PartitionId, broker: number): void {
    const known = this.leaders.get(keyOf(id))!;
    this.leaders.set(keyOf(id), { broker, epoch: known.epoch + 1 });
  }

  newSegment(id: PartitionId): { readonly segmentId: string; readonly number: number } {
    this.count += 1;
    const segmentId = idNumber(this.count);
    this.segments.get(keyOf(id))!.push(segmentId);
    return { segmentId, number: this.count };
  }

  /** Mostly a young one. */
  someSegment(id: PartitionId, draw: Draw): string | undefined {
    const known = this.segments.get(keyOf(id))!;
    const back = Math.floor(draw() * draw() * Math.min(known.length, 30));
    return known[known.length - 1 - back];
  }
}

interface Held {
  token: FenceToken;
  intents: bigint;
}

export interface NextCommand {
  readonly ops: AnyOp[];
  answered(answer: CommandAnswer): void;
  refused(error: unknown): void;
}

export class Commands {
  private readonly brokerId: number;
  private readonly draw: Draw;
  private readonly topics: Topics;
  private readonly held = new Map<string, Held>();
  private readonly believed = new Map<string, Leadership>();

  constructor(brokerId: number, draw: Draw, topics: Topics) {
    this.brokerId = brokerId;
    this.draw = draw;
    this.topics = topics;
  }

  /** Undefined when there is nothing to do. */
  next(wallMs: number): NextCommand | undefined {
    const { partitions } = this.topics;
    const { id, name } = partitions[Math.floor(this.draw() * partitions.length)]!;
    const held = this.held.get(keyOf(id));
    const dice = this.draw();
    if (held === undefined || dice < 0.08) return this.claim(name, id);
    if (dice < 0.12) return this.ofOperators(id, wallMs);
    if (dice < 0.2) return this.erase(id);
    return this.withClaim(id, held);
  }

  private claim(topic: string, id: PartitionId): NextCommand | undefined {
    const key = keyOf(id);
    if (this.draw() < 0.6 || !this.believed.has(key)) {
      this.believed.set(key, this.topics.leader(id));
    }
    const leadership = this.believed.get(key)!;
    if (leadership.broker !== this.brokerId && this.draw() < 0.9) return undefined;
    const op = claimOp({
      partition: { ...id },
      topic,
      leaderEpoch: leadership.epoch,
      brokerId: this.brokerId,
      lineage: [{ epoch: 0, startOffset: 0n }],
    });
    return {
      ops: [op],
      answered: ({ answers: [answer] }) => {
        if (answer?.$case !== 'partitionClaimed') throw new Error('a claim is answered by a claim');
        const { fenceToken, lastIntentNumber } = answer.value;
        this.held.set(key, { token: fenceToken!, intents: lastIntentNumber });
      },
      refused: () => undefined,
    };
  }

  private withClaim(id: PartitionId, held: Held): NextCommand | undefined {
    const ops = this.opsOf(id, held);
    if (ops === undefined) return undefined;
    return {
      ops,
      answered: () => undefined,
      refused: (error) => {
        const isFenced = hasCode(error, 'FENCED_LEADER_EPOCH', 'FENCED_INSTANCE');
        // Some do not take no for an answer.
        if (isFenced && this.draw() < 0.7) this.held.delete(keyOf(id));
      },
    };
  }

  private opsOf(id: PartitionId, held: Held): AnyOp[] | undefined {
    const dice = this.draw();
    if (dice < 0.3) return [this.startCopy(id, held)];
    const segmentId = this.topics.someSegment(id, this.draw);
    if (segmentId === undefined) return undefined;
    const of = { partition: { ...id }, fenceToken: held.token, segmentId };
    if (dice < 0.38) {
      const uploadId = `upload ${Math.floor(this.draw() * 1000)}`;
      return [{ $case: 'recordUpload', value: { ...of, uploadId } }];
    }
    if (dice < 0.68) return [{ $case: 'finishCopy', value: of }];
    if (dice < 0.76) {
      const abort: AnyOp = { $case: 'abortCopy', value: { ...of, reason: 'simulated' } };
      return this.draw() < 0.5 ? [abort] : [abort, { $case: 'finishDelete', value: of }];
    }
    if (dice < 0.81) return [{ $case: 'adoptIntent', value: of }];
    if (dice < 0.86) return [{ $case: 'finishDelete', value: of }];
    if (dice < 0.88) return [{ $case: 'forgetCopies', value: of }];
    if (dice < 0.91) return [{ $case: 'releaseClaim', value: of }];
    return this.delete(of);
  }

  private startCopy(id: PartitionId, held: Held): AnyOp {
    const again = this.draw() < 0.1 ? this.topics.someSegment(id, this.draw) : undefined;
    const fresh = this.topics.newSegment(id);
    if (this.draw() < 0.95) held.intents += 1n;
    const startOffset = BigInt(fresh.number) * 100n;
    return startOp(held.token, Number(held.intents), {
      ...id,
      segmentId: again ?? fresh.segmentId,
      objectKey: `tier/c/t-${id.topicId}/${id.partition}/${fresh.number}.segment`,
      startOffset,
      nextOffset: startOffset + 100n,
      brokerId: this.brokerId,
      epochs: [{ epoch: 0, startOffset }],
    });
  }

  private delete(of: {
    readonly partition: { readonly topicId: string; readonly partition: number };
    readonly fenceToken: FenceToken;
    readonly segmentId: string;
  }): AnyOp[] {
    const isRetention = this.draw() < 0.6;
    const by = isRetention ? RemoteStartMover.RETENTION : RemoteStartMover.OPERATOR;
    const reason = isRetention ? DeleteReason.RETENTION_TIME : DeleteReason.OPERATOR;
    const remoteStart = BigInt(Math.floor(this.draw() * 60) * 100);
    const ops: AnyOp[] = [
      { $case: 'startDelete', value: { ...of, reason, contradiction: undefined } },
    ];
    if (this.draw() < 0.6) {
      ops.unshift({ $case: 'moveRemoteStart', value: { ...of, remoteStart, by } });
    }
    if (this.draw() < 0.5) ops.push({ $case: 'finishDelete', value: of });
    return ops;
  }

  private erase(id: PartitionId): NextCommand | undefined {
    const segmentId = this.topics.someSegment(id, this.draw);
    if (segmentId === undefined) return undefined;
    const of = { partition: { ...id }, segmentId };
    const waitMs = BigInt(Math.floor(this.draw() * 2000));
    const pass: AnyOp = { $case: 'recordErasePass', value: { ...of, waitMs } };
    const erased: AnyOp = { $case: 'objectErased', value: of };
    const dice = this.draw();
    // Both at once: the second one is too early.
    const ops = dice < 0.3 ? [pass, erased] : [dice < 0.6 ? pass : erased];
    return { ops, answered: () => undefined, refused: () => undefined };
  }

  private ofOperators(id: PartitionId, wallMs: number): NextCommand {
    const dice = this.draw();
    const op: AnyOp =
      dice < 0.5
        ? { $case: 'confirmClock', value: { nowMs: BigInt(wallMs), confirmedBy: 'operator' } }
        : dice < 0.7
          ? { $case: 'acquireLease', value: { lease: 'share', ttlMs: 100n } }
          : dice < 0.97
            ? { $case: 'resetClaim', value: { topicId: id.topicId, operator: 'operator' } }
            : { $case: 'deleteTopic', value: { topicId: id.topicId, evidence: 'simulated' } };
    return { ops: [op], answered: () => undefined, refused: () => undefined };
  }
}
