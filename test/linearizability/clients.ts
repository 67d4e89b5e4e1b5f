// Clients that fight for partitions: each is a broker that claims, copies, and reads what others do.
import { hasCode, LogtierError } from '../../src/base/errors.ts';
import type { PartitionRow } from '../../src/gen/logtier/v1/catalog_command.ts';
import { grpcTransport, type GrpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { recordOf } from '../../src/metastore/client/records.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { FenceToken } from '../../src/segment/ids.ts';
import type { Claim } from '../../src/uploader/segment-ledger.ts';
import {
  claimRequest,
  intent,
  segmentName,
  TestMetastoreClient,
  TOPIC,
} from '../support/metastore-world.ts';
import { History, type Operation, type Outcome } from './history.ts';

export interface ClientsOptions {
  /** Of all members that there are now, in any order. */
  readonly endpoints: () => readonly string[];
  readonly clients: number;
  /** Fought for at one time. */
  readonly partitions: number;
  /** A draw from [0, 1). */
  readonly share: () => number;
}

/** Others take the partitions' place after so many: what is checked at once stays small. */
const OPERATIONS_OF_A_ROUND = 2_000;
/** Far above the time a member needs to come back, so most outcomes become known. */
const PATIENCE_MS = 120_000;
/** So short that a member which is down leaves the outcome open. */
const IMPATIENCE_MS = 300;
const IMPATIENT_SHARE = 0.1;
const RECENT_SEGMENTS = 12;
/** Then a client dials anew, under a session of its own: members come and go. */
const FIGHTS_OF_A_LIFE = 25;

/** What clients know of each other's work on one partition. */
interface Field {
  readonly partition: number;
  epoch: number;
  readonly recent: number[];
  readonly segments: number[];
}

export class Clients {
  readonly history = new History();
  private readonly options: ClientsOptions;
  private readonly fields = new Map<number, Field>();
  private readonly stopped = new AbortController();
  private readonly running: Promise<void>[] = [];
  private calls = 0;
  private segments = 0;

  constructor(options: ClientsOptions) {
    this.options = options;
  }

  start(): void {
    for (let number = 1; number <= this.options.clients; number += 1) {
      this.running.push(this.runClient(number));
    }
  }

  /** Every operation under way comes to its end first. Idempotent. */
  async stop(): Promise<void> {
    this.stopped.abort();
    await Promise.all(this.running);
  }

  draw(below: number): number {
    return Math.floor(this.options.share() * below);
  }

  fieldNow(): Field {
    const round = Math.floor(this.calls / OPERATIONS_OF_A_ROUND);
    const partition = round * this.options.partitions + this.draw(this.options.partitions);
    const known = this.fields.get(partition) ?? { partition, epoch: 0, recent: [], segments: [] };
    this.fields.set(partition, known);
    return known;
  }

  newSegment(field: Field): number {
    this.segments += 1;
    field.segments.push(this.segments);
    field.recent.push(this.segments);
    if (field.recent.length > RECENT_SEGMENTS) field.recent.shift();
    return this.segments;
  }

  record(
    place: { readonly client: number; readonly partition: number },
    operation: Operation,
    run: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    this.calls += 1;
    const isImpatient = this.options.share() < IMPATIENT_SHARE;
    const signal = AbortSignal.timeout(isImpatient ? IMPATIENCE_MS : PATIENCE_MS);
    return this.history.record(place, operation, () =>
      run(signal).catch((error: unknown) => outcomeOf(operation, error)),
    );
  }

  /** What became of every claim and segment, as part of the history: each member is asked for a share. */
  async readEverything(): Promise<void> {
    const fields = [...this.fields.values()];
    const readers = Array.from({ length: this.options.clients }, (_, at) => at + 1);
    const next = (): Field | undefined => fields.pop();
    await Promise.all(
      readers.map((number) =>
        this.withClient(number, async (client) => {
          for (let field = next(); field !== undefined; field = next()) await client.readAll(field);
        }),
      ),
    );
  }

  private async runClient(number: number): Promise<void> {
    while (!this.stopped.signal.aborted) {
      await this.withClient(number, async (client) => {
        for (let fights = 0; fights < FIGHTS_OF_A_LIFE; fights += 1) {
          if (!this.stopped.signal.aborted) await client.fight(this.fieldNow());
        }
      });
    }
  }

  /** Each number begins with another member. */
  private async withClient(
    number: number,
    use: (client: BrokerClient) => Promise<void>,
  ): Promise<void> {
    const endpoints = this.options.endpoints();
    const first = number % endpoints.length;
    const rotated = [...endpoints.slice(first), ...endpoints.slice(0, first)];
    const transport = grpcTransport(systemClock, rotated);
    const client = new BrokerClient(this, number, transport);
    try {
      await use(client);
    } finally {
      await client.stop();
      transport.stop();
    }
  }
}

class BrokerClient {
  private readonly all: Clients;
  private readonly number: number;
  private readonly metastore: TestMetastoreClient;

  constructor(all: Clients, number: number, transport: GrpcTransport) {
    this.all = all;
    this.number = number;
    const identity = { brokerId: number, instance: `process of ${number}` };
    this.metastore = new TestMetastoreClient(transport, systemClock, identity);
  }

  async stop(): Promise<void> {
    await this.metastore.channel.stop();
  }

  /** One claim and what is done under it, also after others took the partition away. */
  async fight(field: Field): Promise<void> {
    await this.readClaim(field);
    const claim = await this.claim(field);
    if (claim === undefined) return;
    for (let copies = this.all.draw(6); copies > 0; copies -= 1) {
      await this.copy(field, claim);
      await this.readSomething(field);
    }
  }

  async readAll(field: Field): Promise<void> {
    await this.readClaim(field);
    for (const segment of field.segments) await this.readSegment(field, segment);
  }

  private async claim(field: Field): Promise<Claim | undefined> {
    // Mostly the next epoch; sometimes the one that another broker may have, or an older one.
    const behind = this.all.draw(3) === 0 ? this.all.draw(3) : 0;
    const epoch = Math.max(1, field.epoch + 1 - behind);
    field.epoch = Math.max(field.epoch, epoch);
    const { number: broker } = this;
    let claim: Claim | undefined;
    await this.record(field, { op: 'claim', broker, epoch }, async (signal) => {
      const id = { topicId: TOPIC, partition: field.partition };
      claim = await this.metastore.ledger.claim(claimRequest({ id, leaderEpoch: epoch }), signal);
      return { outcome: 'ok', token: numberOf(claim.token) };
    });
    return claim;
  }

  private async copy(field: Field, claim: Claim): Promise<void> {
    const segment = this.all.newSegment(field);
    const token = numberOf(claim.token);
    const { ledger } = this.metastore;
    await this.record(field, { op: 'start', segment, token }, async (signal) => {
      await ledger.startCopy(claim, intent(segment, field.partition), signal);
      return { outcome: 'ok' };
    });
    const target = this.all.draw(3) === 0 ? this.recentOf(field) : segment;
    if (this.all.draw(3) === 0) await this.abort(field, claim, target);
    else {
      await this.record(field, { op: 'finish', segment: target, token }, async (signal) => {
        await ledger.finishCopy(claim, segmentName(target), signal);
        return { outcome: 'ok' };
      });
    }
  }

  /** Not by the ledger, which tells some refusals as success. */
  private async abort(field: Field, claim: Claim, segment: number): Promise<void> {
    const { id, token: fenceToken } = claim;
    const held = { partition: { ...id }, fenceToken, segmentId: segmentName(segment) };
    const token = numberOf(fenceToken);
    await this.record(field, { op: 'abort', segment, token }, async (signal) => {
      await this.metastore.channel.submit(
        [
          { $case: 'abortCopy', value: { ...held, reason: 'a test' } },
          { $case: 'finishDelete', value: held },
        ],
        signal,
      );
      return { outcome: 'ok' };
    });
  }

  private async readSomething(field: Field): Promise<void> {
    if (this.all.draw(3) === 0) await this.readClaim(field);
    else await this.readSegment(field, this.recentOf(field));
  }

  private async readClaim(field: Field): Promise<void> {
    const partition = { topicId: TOPIC, partition: field.partition };
    await this.record(field, { op: 'read-claim' }, async (signal) => {
      const query = { $case: 'partition' as const, value: { partition } };
      const { answer } = await this.metastore.queries.ask(query, signal);
      if (answer.$case !== 'partition') throw new Error('an answer to something else');
      return claimOf(answer.value.partition);
    });
  }

  private async readSegment(field: Field, segment: number): Promise<void> {
    const partition = { topicId: TOPIC, partition: field.partition };
    await this.record(field, { op: 'read-segment', segment }, async (signal) => {
      const value = { partition, segmentId: segmentName(segment) };
      const { answer } = await this.metastore.queries.ask({ $case: 'segment', value }, signal);
      if (answer.$case !== 'segment') throw new Error('an answer to something else');
      const { segment: record } = answer.value;
      return { outcome: 'ok', state: record === undefined ? '' : recordOf(record).state };
    });
  }

  private recentOf(field: Field): number {
    return field.recent[this.all.draw(field.recent.length)] ?? 1;
  }

  private record(
    { partition }: Field,
    operation: Operation,
    run: (signal: AbortSignal) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    return this.all.record({ client: this.number, partition }, operation, run);
  }
}

/** An answer that never came to a read tells nothing; everything that may have been applied stays open. */
function outcomeOf({ op }: Operation, error: unknown): Outcome | undefined {
  if (!(error instanceof LogtierError)) throw error;
  if (op === 'read-claim' || op === 'read-segment') return undefined;
  if (hasCode(error, 'FENCED_LEADER_EPOCH', 'NOT_FOUND', 'ILLEGAL_TRANSITION')) {
    return { outcome: 'refused', code: error.code };
  }
  if (hasCode(error, 'ABORTED', 'OVERLOADED')) return undefined;
  return { outcome: 'unknown' };
}

/** Comparable as the tokens are: a test has few incarnations and far less than 2^32 entries. */
function numberOf({ incarnation, index }: FenceToken): number {
  return incarnation * 2 ** 32 + Number(index);
}

function claimOf(row: PartitionRow | undefined): Outcome {
  const claim = row?.claim;
  if (claim?.fenceToken === undefined) return { outcome: 'ok', token: 0, broker: 0, epoch: 0 };
  const { brokerId: broker, leaderEpoch: epoch } = claim;
  return { outcome: 'ok', token: numberOf(claim.fenceToken), broker, epoch };
}
