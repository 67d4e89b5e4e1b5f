// What the metastore's service promises to a client, wherever it runs. catalog-service.test.ts runs it in
// one process on memory, and over gRPC on RocksDB and a log on disk.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  ListSegmentsResponse,
  QueryRequest,
  WatchRequest,
  WatchResponse,
} from '../../src/gen/logtier/v1/catalog.ts';
import {
  type Command,
  type CommandResult,
  type FenceToken,
  SegmentState,
} from '../../src/gen/logtier/v1/catalog_command.ts';
import type { CatalogTransport } from '../../src/metastore/client/catalog-transport.ts';
import { compareTokens } from '../../src/segment/ids.ts';
import {
  type AnyOp,
  claimOp,
  CLUSTER,
  idNumber,
  outcomes,
  PARTITION,
  segmentOp,
  startOp,
  TOPIC_ID,
} from '../support/metastore-catalog.ts';
import { codeOf, NEVER } from '../support/metastore-world.ts';

export interface ServiceHome {
  readonly service: CatalogTransport;
  close(): Promise<void>;
}

class Session {
  private readonly service: CatalogTransport;
  clientId = 0n;
  private incarnation = 0;
  seq = 0n;

  constructor(service: CatalogTransport) {
    this.service = service;
  }

  async register(): Promise<this> {
    const value = { brokerId: 1, instance: 'contract' };
    const [result] = await this.send([this.command({ $case: 'registerClient', value })]);
    const answer = result?.results[0]?.result;
    if (answer?.$case === 'clientRegistered') this.clientId = answer.value.clientId;
    this.incarnation = result?.revision?.incarnation ?? 0;
    return this;
  }

  next(...ops: AnyOp[]): Command {
    this.seq += 1n;
    return { ...this.command(...ops), seq: this.seq };
  }

  async send(commands: Command[]): Promise<CommandResult[]> {
    return (await this.service.mutate({ clusterId: CLUSTER, commands }, NEVER)).results;
  }

  async run(...ops: AnyOp[]): Promise<CommandResult> {
    const [result] = await this.send([this.next(...ops)]);
    return result!;
  }

  async claim(): Promise<FenceToken> {
    const answer = (await this.run(claimOp())).results[0]?.result;
    if (answer?.$case !== 'partitionClaimed') throw new Error(JSON.stringify(answer));
    return answer.value.fenceToken!;
  }

  private command(...ops: AnyOp[]): Command {
    return {
      incarnation: this.incarnation,
      clientId: this.clientId,
      seq: 0n,
      nowMs: 0n,
      clusterId: CLUSTER,
      ops: ops.map((op) => ({ op })),
      answeredBelow: 0n,
    };
  }
}

async function collect<T>(stream: AsyncIterable<T>, isLast: (message: T) => boolean): Promise<T[]> {
  const all: T[] = [];
  for await (const message of stream) {
    all.push(message);
    if (isLast(message)) return all;
  }
  return all;
}

export function catalogServiceContract(name: string, createHome: () => Promise<ServiceHome>): void {
  describe(`the catalog service ${name}`, () => {
    let home: ServiceHome;
    let session: Session;
    beforeEach(async () => {
      home = await createHome();
      session = await new Session(home.service).register();
    });
    afterEach(async () => {
      await home.close();
    });

    const watch = (request: Partial<WatchRequest>): AsyncIterable<WatchResponse> =>
      home.service.watch(
        { clusterId: CLUSTER, after: undefined, filter: undefined, ...request },
        NEVER,
      );
    const list = (partition = PARTITION): Promise<ListSegmentsResponse[]> =>
      collect(home.service.listSegments({ clusterId: CLUSTER, partition }, NEVER), () => false);

    const page = async (topic: string, limit: number, after?: typeof PARTITION) => {
      const { answer } = await home.service.query(
        { clusterId: CLUSTER, query: { $case: 'partitions', value: { topic, limit, after } } },
        NEVER,
      );
      if (answer?.$case !== 'partitions') throw new Error('no partitions');
      return {
        more: answer.value.more,
        refs: answer.value.partitions.map(({ partition }) => partition!.partition!),
      };
    };

    const ask = (query: { $case: 'clusters'; value: object } | undefined) =>
      home.service.query({ clusterId: CLUSTER, query }, NEVER);

    async function status() {
      const { answer } = await home.service.query(
        { clusterId: CLUSTER, query: { $case: 'status', value: {} } },
        NEVER,
      );
      if (answer?.$case !== 'status') throw new Error('no status');
      return answer.value;
    }

    test('commands of one call are applied in their order, and answered one by one', async () => {
      const token = await session.claim();
      const results = await session.send([
        session.next(startOp(token, 1, { segmentId: idNumber(1) })),
        session.next(segmentOp('finishCopy', token, idNumber(2))),
        session.next(segmentOp('finishCopy', token, idNumber(1))),
      ]);
      expect(results.map(outcomes)).toEqual([['segmentChanged'], ['NOT_FOUND'], ['done']]);
      expect(results.map(({ seq }) => seq)).toEqual([2n, 3n, 4n]);
      const revisions = results.map(({ revision }) => revision!.index);
      expect(revisions).toEqual(revisions.toSorted((left, right) => Number(left - right)));
    });

    const ofEpoch = async (epoch: number): Promise<string[]> => {
      const request = { clusterId: CLUSTER, partition: PARTITION, epoch };
      const pages = await collect(home.service.listSegments(request, NEVER), () => false);
      return pages.flatMap(({ segments }) => segments.map(({ segmentId }) => segmentId)).toSorted();
    };

    const look = async (query: NonNullable<QueryRequest['query']>) =>
      (await home.service.query({ clusterId: CLUSTER, query }, NEVER)).answer?.value;

    test('a segment is found by epoch and offset, before and after its look-ups are in memory', async () => {
      const token = await session.claim();
      const copyOf = async (number: number, txnIndexEmpty: boolean): Promise<void> => {
        const startOffset = BigInt(number) * 100n;
        const epochs = [{ epoch: 0, startOffset }];
        const facts = { segmentId: idNumber(number), startOffset, nextOffset: startOffset + 100n };
        await session.run(
          startOp(token, number + 1, { ...facts, epochs, txnIndexEmpty }),
          segmentOp('finishCopy', token, idNumber(number)),
        );
      };
      await copyOf(0, true);
      const found = async (offset: bigint, epoch = 0): Promise<string | undefined> => {
        const value = { partition: PARTITION, epoch, offset };
        const answer = await look({ $case: 'findSegment', value });
        return answer !== undefined && 'segment' in answer ? answer.segment?.segmentId : 'nothing';
      };
      for (let round = 0; round < 3; round += 1) {
        expect(await found(99n)).toBe(idNumber(0));
        expect([await found(100n + BigInt(round) * 100n), await found(5n, 1)]).toEqual([
          undefined,
          undefined,
        ]);
        await copyOf(round + 1, round < 2);
        expect(await found(100n + BigInt(round) * 100n)).toBe(idNumber(round + 1));
      }
      expect(
        await look({
          $case: 'nextWithTransactions',
          value: { partition: PARTITION, epoch: 0, offset: 0n },
        }),
      ).toMatchObject({ segment: { segmentId: idNumber(3) } });
      expect(await look({ $case: 'epoch', value: { partition: PARTITION, epoch: 0 } })).toEqual({
        highestOffset: 399n,
        segments: 4n,
        logBytes: 4000n,
      });
      const byTime = { partition: PARTITION, upToMs: 5n, limit: 2 };
      expect(await look({ $case: 'segmentsByTime', value: byTime })).toMatchObject({
        segments: [{ segmentId: idNumber(0) }, { segmentId: idNumber(1) }],
      });
    });

    test('the segments of one epoch are listed by start offset, in every state', async () => {
      const token = await session.claim();
      const facts = { startOffset: 0n, nextOffset: 100n, epochs: [{ epoch: 0, startOffset: 0n }] };
      await session.run(
        startOp(token, 1, { ...facts, segmentId: idNumber(1) }),
        segmentOp('finishCopy', token, idNumber(1)),
        startOp(token, 2, {
          ...facts,
          segmentId: idNumber(2),
          epochs: [{ epoch: 1, startOffset: 0n }],
        }),
        startOp(token, 3, { ...facts, segmentId: idNumber(3) }),
        segmentOp('finishCopy', token, idNumber(3)),
      );
      expect([await ofEpoch(0), await ofEpoch(1), await ofEpoch(2)]).toEqual([
        [idNumber(1), idNumber(3)],
        [idNumber(2)],
        [],
      ]);
    });

    test('a repeated number gets the answer that it got before', async () => {
      const token = await session.claim();
      const command = session.next(startOp(token, 1));
      const [first] = await session.send([command]);
      await session.run(segmentOp('finishCopy', token));
      expect(await session.send([command])).toEqual([first]);
    });

    test('a number out of order and an unknown session are refused (rule 22)', async () => {
      const token = await session.claim();
      session.seq += 1n;
      const results = await session.send([session.next(startOp(token, 1))]);
      expect(results.map(outcomes)).toEqual([['SESSION_EXPIRED']]);
      session.clientId = 999_999n;
      expect((await session.send([session.next(claimOp())])).map(outcomes)).toEqual([
        ['SESSION_EXPIRED'],
      ]);
    });

    test('what no command may hold is refused before it costs an entry of the log', async () => {
      const before = (await status()).appliedIndex;
      const tick = session.next({ $case: 'tick', value: {} });
      const many = Array.from({ length: 1_025 }, () => claimOp());
      const large = session.next(claimOp({ topic: 'x'.repeat(600_000) }));
      const ofOthers = { ...session.next(claimOp()), clusterId: 'another' };
      for (const commands of [[], [tick], [session.next(...many)], [large], [ofOthers]]) {
        expect(await codeOf(session.send(commands))).toBe('INVALID_ARGUMENT');
      }
      expect((await status()).appliedIndex).toBe(before);
    });

    test('all segments of a partition come in offset order, as of one revision', async () => {
      const token = await session.claim();
      const numbers = Array.from({ length: 600 }, (_, at) => (at * 37) % 600);
      for (let start = 0; start < 600; start += 100) {
        const ops = numbers.slice(start, start + 100).map((number, at) =>
          startOp(token, start + at + 1, {
            segmentId: idNumber(number),
            startOffset: BigInt(number) * 10n,
            nextOffset: BigInt(number) * 10n + 10n,
            epochs: [{ epoch: 0, startOffset: BigInt(number) * 10n }],
          }),
        );
        expect(new Set(outcomes(await session.run(...ops)))).toEqual(new Set(['segmentChanged']));
      }
      const messages = await list();
      const segments = messages.flatMap((message) => message.segments);
      expect(segments.map(({ startOffset }) => startOffset)).toEqual(
        Array.from({ length: 600 }, (_, at) => BigInt(at) * 10n),
      );
      expect(messages.map(({ last }) => last)).toEqual([
        ...messages.slice(1).map(() => false),
        true,
      ]);
      expect(new Set(messages.map(({ revision }) => revision!.index)).size).toBe(1);
      expect(messages.map(({ partition }) => partition?.topic)).toEqual([
        'orders',
        ...messages.slice(1).map(() => undefined),
      ]);
    });

    test('a partition that was never claimed has no row and no segments', async () => {
      const messages = await list({ topicId: TOPIC_ID, partition: 5 });
      expect(messages).toEqual([
        { revision: expect.anything(), partition: undefined, segments: [], last: true },
      ]);
    });

    test('a watch tells history after its revision and then what happens, a message a revision (rule 30)', async () => {
      const token = await session.claim();
      const [mark] = await collect(watch({}), () => true);
      expect(mark).toMatchObject({ events: [], progress: true });
      const ops = [1, 2, 3].map((number) =>
        startOp(token, number, { segmentId: idNumber(number) }),
      );
      const first = await session.run(...ops);
      const seen = collect(watch({ after: mark!.revision }), (message) =>
        message.events.some(
          ({ event }) =>
            event?.$case === 'segment' && event.value.state === SegmentState.COPY_SEGMENT_FINISHED,
        ),
      );
      const last = await session.run(segmentOp('finishCopy', token, idNumber(2)));
      const messages = (await seen).filter(({ progress }) => !progress);
      expect(messages.map(({ revision, events }) => [revision, events.length])).toEqual([
        [first.revision, 4],
        [last.revision, 1],
      ]);
    });

    test('marks come between revisions and reach all that was committed before (rule 21)', async () => {
      const token = await session.claim();
      const [start] = await collect(watch({}), () => true);
      const done = await session.run(startOp(token, 1));
      const messages = await collect(watch({ after: start!.revision }), ({ progress }) => progress);
      expect(messages.map(({ progress }) => progress)).toEqual([false, true]);
      expect(compareTokens(messages[1]!.revision!, done.revision!)).toBeGreaterThanOrEqual(0);
    });

    test('another cluster on the same metastore sees nothing of this one', async () => {
      const [start] = await collect(watch({}), () => true);
      await session.claim();
      const messages = await collect(
        watch({ clusterId: 'cluster-B', after: start!.revision }),
        ({ progress }) => progress,
      );
      expect(messages.map(({ events }) => events)).toEqual([[]]);
    });

    test('a watch of some partitions hears of others when their topic is new, and of no later claim', async () => {
      const own = { topicId: idNumber(50), partition: 0 };
      const filter = { partitions: [own] };
      const [start] = await collect(watch({ filter }), () => true);
      const token = await session.claim();
      await session.run(claimOp({ partition: { topicId: TOPIC_ID, partition: 1 } }));
      const copied = await session.run(startOp(token, 1));
      await session.claim();
      await session.run(claimOp({ topic: 'own', partition: own }));
      const topicsAfter = async (after: FenceToken): Promise<string[]> => {
        const topics: string[] = [];
        await collect(watch({ after, filter }), ({ events }) => {
          for (const { event } of events) {
            topics.push(event?.$case === 'partition' ? event.value.topic : String(event?.$case));
          }
          return topics.includes('own');
        });
        return topics;
      };
      expect(await topicsAfter(start!.revision!)).toEqual(['orders', 'own']);
      expect(await topicsAfter(copied.revision!)).toEqual(['own']);
    });

    test('a revision of another history is COMPACTED: it has to be loaded anew (rule 6)', async () => {
      const { incarnation, appliedIndex } = await status();
      for (const after of [
        { incarnation: incarnation + 1, index: 1n },
        { incarnation, index: appliedIndex + 100n },
      ]) {
        expect(await codeOf(collect(watch({ after }), () => true))).toBe('COMPACTED');
      }
    });

    test('who leaves a watch leaves nothing behind, and the service goes on', async () => {
      const leaving = new AbortController();
      const stream = home.service.watch(
        { clusterId: CLUSTER, after: undefined, filter: undefined },
        leaving.signal,
      );
      const seen = codeOf(collect(stream, () => false));
      await session.claim();
      leaving.abort();
      expect(await seen).toBe('ABORTED');
      expect((await status()).appliedIndex).toBeGreaterThan(0n);
    });

    test('partitions are paged by name and over all, with their counts', async () => {
      for (const [at, topic] of ['orders', 'payments', 'orders'].entries()) {
        const topicId = topic === 'orders' ? TOPIC_ID : idNumber(77);
        const op = claimOp({ topic, partition: { topicId, partition: at } });
        expect(outcomes(await session.run(op))).toEqual(['partitionClaimed']);
      }
      const ofOrders = [0, 2].map((partition) => ({ topicId: TOPIC_ID, partition }));
      expect(await page('orders', 0)).toEqual({ more: false, refs: ofOrders });
      expect(await page('orders', 1)).toEqual({ more: true, refs: [ofOrders[0]] });
      expect(await page('orders', 1, ofOrders[0])).toEqual({ more: false, refs: [ofOrders[1]] });
      expect((await page('', 2)).more).toBe(true);
      expect((await page('', 0)).refs).toHaveLength(3);
      expect(await page('nobody', 0)).toEqual({ more: false, refs: [] });
    });

    test('the clusters that registered are listed, and an empty query is refused', async () => {
      expect((await ask({ $case: 'clusters', value: {} })).answer).toEqual({
        $case: 'clusters',
        value: { clusterIds: [CLUSTER] },
      });
      expect(await codeOf(ask(undefined))).toBe('INVALID_ARGUMENT');
    });
  });
}
