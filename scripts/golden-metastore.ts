// Writes test/golden/metastore/state-N: a member's directory of this state version, and what its service
// answered. Run once, with the code of that version; later versions open a copy of it for ever.
// Usage: node --import tsx scripts/golden-metastore.ts
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Command,
  DeleteReason,
  type FenceToken,
  RemoteStartMover,
  TopicMode,
} from '../src/gen/logtier/v1/catalog_command.ts';
import { STATE_VERSION } from '../src/metastore/catalog/state.ts';
import type { Metastore } from '../src/metastore/member/open-metastore.ts';
import { openAlone } from '../test/support/open-alone.ts';
import { silentLogger } from '../src/platform/log.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { systemRandom } from '../src/platform/random.ts';
import {
  type AnyOp,
  claimOp,
  CLUSTER,
  idNumber,
  outcomes,
  segment,
} from '../test/support/metastore-catalog.ts';
import { answersOf, goldenSettings, packed, printed } from '../test/support/golden-metastore.ts';
import { ManualClock } from '../test/support/metastore-clock.ts';

const GOLDEN = new URL('../test/golden/metastore', import.meta.url).pathname;
const NEVER: AbortSignal = new AbortController().signal;
const OTHER_CLUSTER = 'cluster-B';
const ORDERS = 'AAAAAAAAAAAAAAAAAAAAAQ';
const PAYMENTS = 'AAAAAAAAAAAAAAAAAAAAAg';
const GONE = 'AAAAAAAAAAAAAAAAAAAAAw';

/** One client's commands in order, over the lives of the member. */
class Client {
  private readonly clusterId: string;
  private readonly brokerId: number;
  private clientId = 0n;
  private seq = 0n;
  private intents = 0n;

  constructor(clusterId: string, brokerId: number) {
    this.clusterId = clusterId;
    this.brokerId = brokerId;
  }

  async register({ member }: Metastore): Promise<this> {
    const value = { brokerId: this.brokerId, instance: `process of ${this.brokerId}` };
    const result = await member.propose(this.command({ $case: 'registerClient', value }), NEVER);
    const answer = result.results[0]?.result;
    if (answer?.$case === 'clientRegistered') this.clientId = answer.value.clientId;
    return this;
  }

  async run({ member }: Metastore, ...ops: AnyOp[]): Promise<void> {
    this.seq += 1n;
    const { seq } = this;
    const result = await member.propose({ ...this.command(...ops), seq }, NEVER);
    const isRefused = result.results.some((it) => it.result?.$case === 'refused');
    if (isRefused) throw new Error(JSON.stringify(result.results));
  }

  async claim({ member }: Metastore, of: Parameters<typeof claimOp>[0]): Promise<FenceToken> {
    this.seq += 1n;
    const op = claimOp({ brokerId: this.brokerId, ...of });
    const result = await member.propose({ ...this.command(op), seq: this.seq }, NEVER);
    const answer = result.results[0]?.result;
    const token = answer?.$case === 'partitionClaimed' ? answer.value.fenceToken : undefined;
    if (token === undefined) throw new Error(outcomes(result).join());
    return token;
  }

  start(fenceToken: FenceToken, of: Parameters<typeof segment>[0]): AnyOp {
    this.intents += 1n;
    const record = segment({ ...of, fenceToken });
    return {
      $case: 'startCopy',
      value: { segment: record, intentNumber: this.intents, lineage: [], brokerLocalStart: 0n },
    };
  }

  private command(...ops: AnyOp[]): Command {
    return {
      incarnation: this.clientId === 0n ? 0 : 1,
      clientId: this.clientId,
      seq: 0n,
      nowMs: 0n,
      clusterId: this.clusterId,
      ops: ops.map((op) => ({ op })),
      answeredBelow: 0n,
    };
  }
}

function ofSegment(
  name: 'finishCopy' | 'adoptIntent' | 'finishDelete',
  fenceToken: FenceToken,
  number: number,
  partition = 0,
): AnyOp {
  const ref = { topicId: ORDERS, partition };
  return { $case: name, value: { partition: ref, fenceToken, segmentId: idNumber(number) } };
}

function facts(number: number, more: Parameters<typeof segment>[0] = {}) {
  const startOffset = BigInt(number) * 100n;
  return {
    segmentId: idNumber(number),
    startOffset,
    nextOffset: startOffset + 100n,
    maxTimestampMs: 1000n * BigInt(number),
    epochs: [{ epoch: 0, startOffset }],
    ...more,
  };
}

async function firstLife(life: Metastore, one: Client, other: Client): Promise<FenceToken> {
  await one.register(life);
  await other.register(life);
  const orders = await one.claim(life, { lineage: [{ epoch: 0, startOffset: 0n }] });
  for (let number = 0; number < 12; number += 1) {
    const txnIndexEmpty = number % 3 !== 0;
    await one.run(
      life,
      one.start(orders, facts(number, { txnIndexEmpty })),
      ofSegment('finishCopy', orders, number),
    );
  }
  const payments = {
    partition: { topicId: PAYMENTS, partition: 3 },
    topic: 'payments',
    mode: TopicMode.PLUGIN,
  };
  const plugin = await one.claim(life, payments);
  const names = { topicId: PAYMENTS, partition: 3 };
  const objectKey = `tier/p-${PAYMENTS}/3/x.segment`;
  await one.run(life, one.start(plugin, facts(40, { ...names, objectKey })));
  const gone = { partition: { topicId: GONE, partition: 0 }, topic: 'gone' };
  const doomed = await one.claim(life, gone);
  const goneKey = `tier/g-${GONE}/0/x.segment`;
  await one.run(life, one.start(doomed, facts(50, { topicId: GONE, objectKey: goneKey })));
  const evidence = 'RemoveTopicRecord';
  await one.run(life, { $case: 'deleteTopic', value: { topicId: GONE, evidence } });
  await other.claim(life, { partition: { topicId: ORDERS, partition: 0 }, topic: 'orders' });
  return orders;
}

/** Goes only into the log: the catalog is kept as of the first life. */
async function secondLife(life: Metastore, one: Client, other: Client): Promise<void> {
  const ref = { topicId: ORDERS, partition: 0 };
  const token = await one.claim(life, {
    leaderEpoch: 2,
    lineage: [
      { epoch: 0, startOffset: 0n },
      { epoch: 2, startOffset: 1250n },
    ],
  });
  const epochs = [
    { epoch: 0, startOffset: 1200n },
    { epoch: 2, startOffset: 1250n },
  ];
  await one.run(life, one.start(token, facts(12, { epochs })), ofSegment('finishCopy', token, 12));
  // A larger segment over two that are there: what a new leader rolls.
  const wide = facts(13, { startOffset: 1000n, nextOffset: 1200n });
  await one.run(
    life,
    one.start(token, { ...wide, epochs: [{ epoch: 0, startOffset: 1000n }] }),
    ofSegment('finishCopy', token, 13),
  );
  await one.run(life, one.start(token, facts(14, { epochs: [{ epoch: 2, startOffset: 1400n }] })));
  const upload = { partition: ref, fenceToken: token, segmentId: idNumber(14), uploadId: 'upload' };
  await one.run(life, { $case: 'recordUpload', value: upload });
  await one.run(life, one.start(token, facts(15, { epochs: [{ epoch: 2, startOffset: 1500n }] })));
  const abort = { partition: ref, fenceToken: token, segmentId: idNumber(15), reason: 'golden' };
  await one.run(life, { $case: 'abortCopy', value: abort });
  const by = RemoteStartMover.RETENTION;
  const reason = DeleteReason.RETENTION_TIME;
  await one.run(
    life,
    {
      $case: 'moveRemoteStart',
      value: { partition: ref, fenceToken: token, remoteStart: 200n, by },
    },
    ...[0, 1].map((number): AnyOp => ({
      $case: 'startDelete',
      value: {
        partition: ref,
        fenceToken: token,
        segmentId: idNumber(number),
        reason,
        contradiction: undefined,
      },
    })),
    ofSegment('finishDelete', token, 0),
  );
  const erased = { partition: ref, segmentId: idNumber(0) };
  await one.run(life, { $case: 'objectErased', value: erased });
  const pass = { partition: ref, segmentId: idNumber(15), waitMs: 5000n };
  await one.run(life, { $case: 'recordErasePass', value: pass });
  await one.run(life, { $case: 'acquireLease', value: { lease: 'share-1', ttlMs: 60_000n } });
  const released = await other.claim(life, {
    partition: { topicId: ORDERS, partition: 1 },
    topic: 'orders',
  });
  const value = { partition: { topicId: ORDERS, partition: 1 }, fenceToken: released };
  await other.run(life, { $case: 'releaseClaim', value });
}

async function make(directory: string, target: string): Promise<void> {
  const deps = {
    disk: nodeDisk,
    clock: new ManualClock(),
    random: systemRandom,
    logger: silentLogger,
  };
  const open = (): Promise<Metastore> => openAlone(deps, goldenSettings, directory);
  const one = new Client(CLUSTER, 1);
  const other = new Client(OTHER_CLUSTER, 7);
  const first = await open();
  await firstLife(first, one, other);
  await first.stop();
  await cp(`${directory}/db`, `${directory}-db`, { recursive: true });
  const second = await open();
  await secondLife(second, one, other);
  const answers = await answersOf(second.member);
  await second.stop();
  await rm(`${directory}/db`, { recursive: true });
  await cp(`${directory}-db`, `${directory}/db`, { recursive: true });
  await mkdir(target, { recursive: true });
  await writeFile(`${target}/directory.json.gz`, await packed(directory));
  await writeFile(`${target}/answers.json`, printed(answers));
}

const scratch = await mkdtemp(join(tmpdir(), 'golden-metastore-'));
try {
  await make(join(scratch, 'member'), join(GOLDEN, `state-${STATE_VERSION}`));
} finally {
  await rm(scratch, { recursive: true });
}
