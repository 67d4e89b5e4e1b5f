// Reads a partition as a consumer would that knows both tiers: history from the sidecar, the rest from the broker.
// The broker's part is read by Apache's own consumer; the remote part is decoded here, batch by batch.
import { decompress } from '../../src/base/decompress.ts';
import {
  type AbortedTransaction,
  type FetchRequest,
  type FetchResponse,
  Isolation as RpcIsolation,
  type OffsetsResponse,
  RecordFetchServiceService as methods,
} from '../../src/gen/logtier/v1/record_fetch.ts';
import {
  checkBatchCrc,
  readBatchHeader,
  type RecordBatchHeader,
} from '../../src/kafka/record-batch.ts';
import { controlMarkerKind, decodeRecords, type KafkaRecord } from '../../src/kafka/records.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../src/rpc/channel.ts';
import type { Isolation, KafkaWorkload, PartitionName } from './testbeds/kafka-workload.ts';
import { pauseMs } from './testbeds/processes.ts';
import {
  expectedSummary,
  RecordsDigest,
  type ProducedRun,
  type RecordsSummary,
} from './workload-content.ts';

export interface ReadJob extends PartitionName {
  readonly fromOffset: bigint;
  readonly isolation: Isolation;
}

/** What one tier answered; `end` is the first offset that it did not. */
export interface RemotePart {
  readonly summary: RecordsSummary;
  readonly end: bigint;
}

export interface TieredRead {
  /** From here on the broker was asked. */
  readonly switchedAt: bigint;
  readonly remote: RecordsSummary;
  readonly local: RecordsSummary;
}

const ANSWER_BYTES = 8 * 2 ** 20;
const WINDOW_BYTES = 16 * 2 ** 20;
const UNARY_BOUND_MS = 60_000;
const READY_BOUND_MS = 240_000;
const ASK_AGAIN_MS = 50;

export class TieredReader {
  readonly #channel: RpcChannel;
  readonly #signal: AbortSignal;

  constructor(grpc: string, signal: AbortSignal = new AbortController().signal) {
    this.#channel = openChannel(systemClock, {
      ...defaultChannelSettings,
      address: grpc,
      unavailableAs: 'NOT_READY',
      windowBytes: WINDOW_BYTES,
    });
    this.#signal = signal;
  }

  offsets({ topic, partition }: PartitionName): Promise<OffsetsResponse> {
    const request = { clusterId: '', topic, partition };
    return this.#channel.unary(methods.offsets, request, UNARY_BOUND_MS, this.#signal);
  }

  /** Everything that the sidecar offers from there on, until it says that the broker must be asked. */
  async readRemote(job: ReadJob): Promise<RemotePart> {
    const digest = new RecordsDigest();
    let at = job.fromOffset;
    for (;;) {
      const answer = await this.#answerAt(job, at);
      if (answer.kind === 'ask-broker') {
        // Every offset between is lost to the reader: a hole is never passed over in silence.
        if (answer.from > at)
          throw new Error(`${nameOf(job)}: nothing from ${at} to ${answer.from}`);
        return { summary: digest.summary(), end: at };
      }
      await addRecords(digest, answer, at);
      if (answer.nextOffset <= at) return { summary: digest.summary(), end: at };
      at = answer.nextOffset;
    }
  }

  /**
   * From `fromOffset` to the end of what was produced, over both tiers. `runs`: all records that the job's
   * isolation lets through; they only tell how many the broker must still have.
   */
  async readTiers(
    workload: KafkaWorkload,
    job: ReadJob,
    runs: readonly ProducedRun[],
  ): Promise<TieredRead> {
    const { summary: remote, end } = await this.readRemote(job);
    const count = runsFrom(runs, end).reduce((sum, run) => sum + run.count, 0);
    const { topic, partition, isolation } = job;
    const local = await workload.consume({ topic, partition, isolation, fromOffset: end, count });
    return { switchedAt: end, remote, local };
  }

  stop(): void {
    this.#channel.stop();
  }

  /** Not ready passes: a sidecar that has just started loads its view. */
  async #answerAt(job: ReadJob, at: bigint): Promise<Answer> {
    const deadline = performance.now() + READY_BOUND_MS;
    for (;;) {
      const answer = await this.#fetch(job, at);
      if (answer.kind !== 'not-ready') return answer;
      if (performance.now() > deadline)
        throw new Error(`${nameOf(job)} at ${at}: ${answer.reason}`);
      await pauseMs(ASK_AGAIN_MS);
    }
  }

  async #fetch(job: ReadJob, offset: bigint): Promise<Answer | NotReady> {
    const { topic, partition } = job;
    const isolation =
      job.isolation === 'read_committed'
        ? RpcIsolation.READ_COMMITTED
        : RpcIsolation.READ_UNCOMMITTED;
    const request: FetchRequest = {
      clusterId: '',
      topic,
      partition,
      offset,
      maxBytes: ANSWER_BYTES,
      isolation,
    };
    const stream = this.#channel.stream(methods.fetch, request, this.#signal);
    const pieces: Buffer[] = [];
    let end: Served | undefined;
    let isServed = false;
    for await (const { message } of stream) {
      const other = otherVerdict(message, `${nameOf(job)} at ${offset}`);
      if (other !== undefined) return other;
      if (message?.$case === 'verdict') isServed = true;
      if (message?.$case === 'batches') pieces.push(message.value);
      if (message?.$case === 'end')
        end = { kind: 'served', bytes: Buffer.alloc(0), ...message.value };
    }
    if (!isServed || end === undefined) throw new Error(`${nameOf(job)}: an answer without an end`);
    return { ...end, bytes: Buffer.concat(pieces) };
  }
}

/** What a reader of both tiers must arrive at that switched to the broker there. */
export function expectedRead(runs: readonly ProducedRun[], switchedAt: bigint): TieredRead {
  return {
    switchedAt,
    remote: expectedSummary(runsUpTo(runs, switchedAt)),
    local: expectedSummary(runsFrom(runs, switchedAt)),
  };
}

interface Served {
  readonly kind: 'served';
  /** Whole batches. */
  readonly bytes: Buffer;
  readonly nextOffset: bigint;
  readonly aborted: readonly AbortedTransaction[];
}

interface NotReady {
  readonly kind: 'not-ready';
  readonly reason: string;
}

type Answer = Served | { readonly kind: 'ask-broker'; readonly from: bigint };

/** Any verdict that is not `served`. Out of range and gaps fail: no test here may meet one unprepared. */
function otherVerdict(
  message: FetchResponse['message'],
  where: string,
): Answer | NotReady | undefined {
  if (message?.$case !== 'verdict') return undefined;
  const { verdict } = message.value;
  switch (verdict?.$case) {
    case 'served':
      return undefined;
    case 'askBroker':
      return { kind: 'ask-broker', from: verdict.value.offset };
    case 'notReady':
      return { kind: 'not-ready', reason: verdict.value.reason };
    case 'outOfRange':
      throw new Error(`${where}: out of range [${verdict.value.start}, ${verdict.value.end})`);
    case 'gap':
      throw new Error(`${where}: a gap up to ${verdict.value.next}`);
    case undefined:
      throw new Error(`${where}: a verdict that says nothing`);
  }
}

/** Fails at anything but whole batches with the right checksum, ascending, up to where the answer says it ends. */
async function addRecords(digest: RecordsDigest, answer: Served, from: bigint): Promise<void> {
  const { bytes } = answer;
  const aborted = new AbortedTransactions(answer.aborted);
  let next = 0n;
  for (let position = 0; position < bytes.length;) {
    const header = readBatchHeader(bytes, position);
    checkBatchCrc(bytes, position, header);
    const batch = { header, bytes: bytes.subarray(position, position + header.batchBytes) };
    position += header.batchBytes;
    if (header.baseOffset < next) throw new Error(`offset ${header.baseOffset} comes twice`);
    next = header.lastOffset + 1n;
    const records = await decodeRecords(decompress, batch);
    if (aborted.hides(header, records)) continue;
    for (const record of records) if (record.offset >= from) digest.add(record.offset, record);
  }
  if (next > answer.nextOffset) throw new Error(`batches up to ${next}, end ${answer.nextOffset}`);
}

/** The rule of Apache's consumer: hidden from a transaction's first offset to its abort marker. */
class AbortedTransactions {
  readonly #ahead: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#ahead = aborted.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  }

  hides(header: RecordBatchHeader, records: readonly KafkaRecord[]): boolean {
    while (this.#ahead[0] !== undefined && this.#ahead[0].firstOffset <= header.lastOffset) {
      this.#open.add(this.#ahead.shift()!.producerId);
    }
    if (!header.isControl) return header.isTransactional && this.#open.has(header.producerId);
    const [marker] = records;
    if (marker && controlMarkerKind(marker) === 'abort') this.#open.delete(header.producerId);
    return true;
  }
}

function runsFrom(runs: readonly ProducedRun[], offset: bigint): ProducedRun[] {
  return runs.flatMap((run) => {
    const skipped = Math.min(run.count, Math.max(0, Number(offset - run.firstOffset)));
    const count = run.count - skipped;
    const { startIndex, firstOffset } = run;
    const cut = { startIndex: startIndex + skipped, firstOffset: firstOffset + BigInt(skipped) };
    return count === 0 ? [] : [{ ...run, ...cut, count }];
  });
}

function runsUpTo(runs: readonly ProducedRun[], offset: bigint): ProducedRun[] {
  return runs.flatMap((run) => {
    const count = Math.min(run.count, Math.max(0, Number(offset - run.firstOffset)));
    return count === 0 ? [] : [{ ...run, count }];
  });
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic}-${partition}`;
}
