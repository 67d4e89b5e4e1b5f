// The join of both lives of a log: this broker's disk, the catalog, and the broker's own word.
//
// The list stays quick with 10,000 partitions: the catalog is asked for sums, and segments are looked at where
// the local view holds them already. Only who names one partition makes the view load it.
import { hasCode, LogtierError } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type {
  DescribePartitionResponse,
  ListPartitionsResponse,
  PartitionLine,
} from '../gen/logtier/v1/operator.ts';
import { printBytes, printDuration } from '../base/units.ts';
import { abortError, type Clock } from '../platform/clock.ts';
import { partitionKey, topicId, type PartitionId } from '../segment/ids.ts';
import type { PartitionSnapshot } from '../segment/segment-record.ts';
import type { TopicSettings } from '../uploader/settings.ts';
import type { LocalPartitionStatus, UploaderStatus } from '../uploader/uploader-status.ts';
import { bounded } from './bounded.ts';
import {
  askOffsets,
  unknownOffsets,
  type ToldByBroker,
  type ToldOffsets,
} from './broker-offsets.ts';
import { modeName } from './catalog-messages.ts';
import { joinLine, type LineInput } from './partition-line.ts';
import type { CatalogPartition, QueuedErase, RemoteCatalog } from './remote-catalog.ts';
import { remoteFacts } from './remote-facts.ts';

export interface InventoryDeps {
  readonly uploader: Pick<UploaderStatus, 'partitions' | 'notReady'>;
  readonly catalog: RemoteCatalog;
  readonly broker: Pick<BrokerView, 'offsets'>;
  readonly clock: Clock;
}

export interface InventorySettings {
  readonly clusterId: string;
  readonly brokerId: number;
  /** Longest waits for what a page can do without. */
  readonly brokerWaitMs: number;
  readonly metastoreWaitMs: number;
  /** As `uploader.headroomAlarmMs`. */
  readonly headroomAlarmMs: number;
}

export interface PartitionFilter {
  /** Undefined: all. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
}

/** Lines joined before others get a turn of the event loop. */
const LINES_AT_ONCE = 100;
/** Entries of the delete queue looked through for one partition. */
const ERASE_QUEUE_LIMIT = 10_000;

interface Known {
  readonly locals: readonly LocalPartitionStatus[];
  /** By partition id; undefined: the metastore did not answer. */
  readonly summaries: ReadonlyMap<string, CatalogPartition> | undefined;
  readonly told: ToldByBroker;
  readonly notReady: readonly string[];
}

/** NOT_FOUND when a topic or partition is named and neither this broker nor the catalog has it. */
export async function listPartitions(
  deps: InventoryDeps,
  settings: InventorySettings,
  filter: PartitionFilter,
  signal: AbortSignal,
): Promise<ListPartitionsResponse> {
  const known = await gather(deps, settings, filter, signal);
  await loadOne(deps, settings, filter, signal).catch(toleratesSilence(signal));
  const inputs = inputsOf(deps, settings, known);
  const partitions: PartitionLine[] = [];
  for (const input of inputs) {
    partitions.push(joinLine(input).line);
    if (partitions.length % LINES_AT_ONCE === 0) await deps.clock.sleep(0, signal);
  }
  if (partitions.length === 0 && filter.topic !== undefined) {
    throw nothingThere(filter.topic, filter.partition, known.notReady);
  }
  const unknown = partitions.filter(({ overlapUnknown }) => overlapUnknown === true).length;
  const { clusterId, brokerId } = settings;
  return {
    partitions: partitions.toSorted(byName),
    clusterId,
    brokerId,
    notReady: [...known.notReady, ...(unknown === 0 ? [] : [overlapWords(unknown)])],
  };
}

function overlapWords(partitions: number): string {
  return `what ${partitions} partitions of other leaders have in both tiers is not known here; their sizes overlap`;
}

/** NOT_FOUND as above; needs the metastore, for its queue, the whole row and the segments. */
export async function describePartition(
  deps: InventoryDeps,
  settings: InventorySettings,
  name: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<DescribePartitionResponse> {
  const [known, queue] = await Promise.all([
    gather(deps, settings, name, signal),
    deps.catalog.eraseQueue(ERASE_QUEUE_LIMIT, signal),
  ]);
  await loadOne(deps, settings, name, signal);
  const inputs = inputsOf(deps, settings, known);
  // A topic that was made anew has an older namesake in the catalog; the one on disk is meant.
  const input = inputs.find(({ local }) => local !== undefined) ?? inputs.at(-1);
  if (input === undefined) throw nothingThere(name.topic, name.partition, known.notReady);
  const { line, gaps, findings } = joinLine(input);
  const { summary, told } = input;
  return {
    line,
    ...settingsFields(input),
    ...storeFields(input, queue),
    mode: modeName(summary?.row.claim?.mode),
    row: summary?.row,
    gaps: gaps.map(({ startOffset, nextOffset }) => ({ start: startOffset, end: nextOffset })),
    findings: [...findings],
    highWatermark: told.highWatermark,
    lastStableOffset: told.lastStableOffset,
    lastUploadMs: lastUploadMs(input),
  };
}

type StoreFields = Pick<
  DescribePartitionResponse,
  'storesInUse' | 'remoteObjectBytes' | 'eraseQueueObjects' | 'eraseQueueBytes'
>;

function storeFields(input: LineInput, queue: readonly QueuedErase[]): StoreFields {
  const facts = input.remote?.facts;
  const queued = queue.filter(
    ({ id }) => id.topicId === input.topicId && id.partition === input.partition,
  );
  return {
    storesInUse: [...(facts?.stores ?? [])],
    remoteObjectBytes: BigInt(facts?.objectBytes ?? 0),
    eraseQueueObjects: BigInt(queued.length),
    eraseQueueBytes: BigInt(queued.reduce((bytes, { objectBytes }) => bytes + objectBytes, 0)),
  };
}

function settingsFields({
  local,
}: LineInput): Pick<DescribePartitionResponse, 'store' | 'topicSettings'> {
  const rule = local?.rule;
  return rule === undefined
    ? { store: '', topicSettings: {} }
    : { store: rule.store, topicSettings: settingsWords(rule) };
}

/** Of this process, else the newest change of a finished segment. */
function lastUploadMs({ local, remote }: LineInput): bigint | undefined {
  if (local?.lastUploadMs !== undefined) return BigInt(Math.round(local.lastUploadMs));
  const times = remote?.facts.finished.map(({ eventTimestampMs }) => eventTimestampMs) ?? [];
  return times.length === 0 ? undefined : BigInt(times.reduce((a, b) => Math.max(a, b)));
}

function settingsWords(rule: TopicSettings): Record<string, string> {
  const { time, bytes } = rule.retention;
  return {
    match: rule.match,
    store: rule.store,
    from: rule.from,
    'retention.time': time === undefined ? 'for ever' : printDuration(time),
    'retention.bytes': bytes === undefined ? 'without bound' : printBytes(bytes),
  };
}

async function gather(
  deps: InventoryDeps,
  settings: InventorySettings,
  { topic, partition }: PartitionFilter,
  signal: AbortSignal,
): Promise<Known> {
  const isAsked = (found: { readonly partition: number }): boolean =>
    partition === undefined || found.partition === partition;
  const summing = summariesOf(deps, settings, topic, signal);
  const locals = (await deps.uploader.partitions(topic, signal)).filter(isAsked);
  const kinds =
    partition === undefined
      ? (['localStart', 'logEnd'] as const)
      : (['localStart', 'logEnd', 'highWatermark', 'lastStableOffset'] as const);
  const told = await askOffsets(deps, { waitMs: settings.brokerWaitMs, kinds }, locals, signal);
  const { summaries, silence } = await summing;
  const mine = summaries?.filter(({ id, row }) => isAsked(id) && !row.deleted);
  return {
    locals,
    told,
    summaries: mine && new Map(mine.map((summary) => [partitionKey(summary.id), summary])),
    notReady: [...deps.uploader.notReady(), told.silence, silence].filter(
      (words) => words !== undefined,
    ),
  };
}

async function summariesOf(
  { catalog, clock }: InventoryDeps,
  { metastoreWaitMs }: InventorySettings,
  topic: string | undefined,
  signal: AbortSignal,
): Promise<{ summaries: readonly CatalogPartition[] | undefined; silence: string | undefined }> {
  const ask = (bound: AbortSignal): Promise<readonly CatalogPartition[]> =>
    catalog.partitions(topic, bound);
  try {
    return { summaries: await bounded(clock, metastoreWaitMs, ask, signal), silence: undefined };
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    if (!(error instanceof LogtierError)) throw error;
    return { summaries: undefined, silence: `the metastore does not answer: ${error.message}` };
  }
}

/** Afterwards the view holds the partition, unless it was never claimed. */
async function loadOne(
  { catalog, clock }: InventoryDeps,
  { metastoreWaitMs }: InventorySettings,
  { topic, partition }: PartitionFilter,
  signal: AbortSignal,
): Promise<void> {
  if (topic === undefined || partition === undefined) return;
  const find = (bound: AbortSignal): Promise<PartitionSnapshot> =>
    catalog.find(topic, partition, bound);
  try {
    await bounded(clock, metastoreWaitMs, find, signal);
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND')) throw error;
  }
}

/** The list goes without what a silent metastore would tell. */
function toleratesSilence(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (signal.aborted) throw abortError(signal);
    if (!hasCode(error, 'NOT_READY', 'METASTORE_UNAVAILABLE', 'DEADLINE_EXCEEDED')) throw error;
  };
}

/** Local partitions, then those that only the catalog knows: deleted topics, other leaders. */
function inputsOf(
  { catalog, clock }: InventoryDeps,
  { headroomAlarmMs }: InventorySettings,
  { locals, summaries, told }: Known,
): LineInput[] {
  const nowMs = clock.wallMs();
  const rest = new Map(summaries);
  const common = { nowMs, headroomAlarmMs };
  const here = locals.map((local): LineInput => {
    const id = idOf(local);
    const key = id === undefined ? '' : partitionKey(id);
    const summary = rest.get(key);
    rest.delete(key);
    const { topic, partition, topicId: name = '' } = local;
    const remote = id === undefined ? undefined : remoteOf(catalog, id);
    return {
      ...common,
      topic,
      topicId: name,
      partition,
      local,
      remote,
      summary,
      told: told.of(local),
    };
  });
  const elsewhere = [...rest.values()].map((summary): LineInput => {
    const { id, row } = summary;
    const remote = remoteOf(catalog, id);
    const nothing: ToldOffsets = unknownOffsets;
    return { ...common, ...id, topic: row.topic, local: undefined, remote, summary, told: nothing };
  });
  return [...here, ...elsewhere];
}

function idOf({ topicId: id, partition }: LocalPartitionStatus): PartitionId | undefined {
  return id === undefined ? undefined : { topicId: topicId(id), partition };
}

function remoteOf(catalog: RemoteCatalog, id: PartitionId): LineInput['remote'] {
  const snapshot = catalog.peek(id);
  // Loaded without a claim: nothing was ever copied.
  if (snapshot?.claim === undefined) return undefined;
  return { facts: remoteFacts(snapshot), remoteStart: snapshot.remoteStart };
}

function nothingThere(
  topic: string,
  partition: number | undefined,
  notReady: readonly string[],
): LogtierError {
  const name = partition === undefined ? `topic ${topic}` : `partition ${topic}-${partition}`;
  if (notReady.length === 0) {
    return new LogtierError('NOT_FOUND', `no ${name} on this broker or in the catalog`, {
      hint: 'logtier inventory ls lists what there is',
    });
  }
  return new LogtierError('NOT_READY', `nothing is known of ${name}: ${notReady.join('; ')}`);
}

function byName(left: PartitionLine, right: PartitionLine): number {
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1;
  if (left.partition !== right.partition) return left.partition - right.partition;
  return left.topicId < right.topicId ? -1 : 1;
}
