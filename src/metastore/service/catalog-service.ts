// The metastore's service as plain calls: behind gRPC, or called directly by a sidecar that embeds it.
import { LogtierError } from '../../base/errors.ts';
import type {
  ListSegmentsRequest,
  ListSegmentsResponse,
  MutateRequest,
  MutateResponse,
  QueryRequest,
  QueryResponse,
  StatusAnswer,
  WatchRequest,
  WatchResponse,
} from '../../gen/logtier/v1/catalog.ts';
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import { MAX_COMMAND_BYTES, MAX_OPS } from '../catalog/limits.ts';
import { readState, revisionOf } from '../catalog/state.ts';
import type { KvReader } from '../engine/kv-engine.ts';
import type { CatalogMember } from '../member/catalog-member.ts';
import { listSegments } from './list-segments.ts';
import { answerFromIndex } from './answer-from-index.ts';
import { answerEpochQuery } from './epoch-queries.ts';
import {
  answerClusters,
  answerEraseQueue,
  answerPartition,
  answerPartitions,
  answerSegment,
  clusterNumber,
} from './queries.ts';
import { watchCatalog, WatchCrowd } from './watch.ts';

export interface CatalogService {
  /** Answers by value, or with an error after which the same commands are sent again. */
  mutate(request: MutateRequest, signal: AbortSignal): Promise<MutateResponse>;
  /** Linearizable. */
  query(request: QueryRequest, signal: AbortSignal): Promise<QueryResponse>;
  listSegments(
    request: ListSegmentsRequest,
    signal: AbortSignal,
  ): AsyncIterable<ListSegmentsResponse>;
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse>;
}

export function catalogService(member: CatalogMember): CatalogService {
  const crowd = new WatchCrowd();
  return {
    mutate: (request, signal) => mutate(member, request, signal),
    query: (request, signal) => query(member, request, signal),
    listSegments: (request, signal) => listSegments(member, request, signal),
    watch: (request, signal) => watchCatalog(member, crowd, request, signal),
  };
}

async function mutate(
  member: CatalogMember,
  request: MutateRequest,
  signal: AbortSignal,
): Promise<MutateResponse> {
  requireSound(request);
  const commands = request.commands.map((command) => member.encode(command));
  if (commands.reduce((sum, { length }) => sum + length, 0) > MAX_COMMAND_BYTES) {
    refuse(`a call has at most ${MAX_COMMAND_BYTES} bytes`);
  }
  return { results: await member.proposeAll(commands, signal) };
}

const MEMBERS_OWN: ReadonlySet<string> = new Set(['tick', 'trimFeed', 'checkHash']);

/** What apply would refuse anyhow, refused before it costs an entry of the log. */
function requireSound({ clusterId, commands }: MutateRequest): void {
  const ops = commands.reduce((sum, command) => sum + command.ops.length, 0);
  if (commands.length === 0 || ops > MAX_OPS || commands.length > MAX_OPS) {
    refuse(`a call has 1 to ${MAX_OPS} operations`);
  }
  for (const command of commands) {
    if (command.clusterId !== clusterId) refuse('a call is about one Kafka cluster');
    const isMembersOwn = command.ops.some(
      ({ op }) => op !== undefined && MEMBERS_OWN.has(op.$case),
    );
    if (isMembersOwn) refuse('only a member moves the clock, trims the feed and compares members');
  }
}

function refuse(message: string): never {
  throw new LogtierError('INVALID_ARGUMENT', message);
}

async function query(
  member: CatalogMember,
  request: QueryRequest,
  signal: AbortSignal,
): Promise<QueryResponse> {
  await member.barrier(signal);
  const known = await answerFromIndex(member, request);
  if (known !== undefined) return known;
  const snapshot = await member.engine.snapshot();
  try {
    const state = await readState(snapshot, member.state.metastoreId);
    const cluster = (await clusterNumber(snapshot, request.clusterId)) ?? 0;
    const answer = await answerQuery(snapshot, request, { member, state, cluster });
    return { revision: revisionOf(state), answer };
  } finally {
    await snapshot.close();
  }
}

interface QueryMoment {
  readonly member: CatalogMember;
  readonly state: CatalogState;
  /** 0 is no cluster's number: nothing is found there. */
  readonly cluster: number;
}

async function answerQuery(
  reader: KvReader,
  { query: asked }: QueryRequest,
  { member, state, cluster }: QueryMoment,
): Promise<QueryResponse['answer']> {
  if (asked === undefined) throw new LogtierError('INVALID_ARGUMENT', 'an empty query');
  switch (asked.$case) {
    case 'status':
      return { $case: 'status', value: answerStatus(member, state) };
    case 'partition':
      return { $case: 'partition', value: await answerPartition(reader, cluster, asked.value) };
    case 'partitions':
      return { $case: 'partitions', value: await answerPartitions(reader, cluster, asked.value) };
    case 'eraseQueue': {
      const at = { cluster, clockMs: state.clockMs };
      return { $case: 'eraseQueue', value: await answerEraseQueue(reader, asked.value, at) };
    }
    case 'segment':
      return { $case: 'segment', value: await answerSegment(reader, cluster, asked.value) };
    case 'clusters':
      return { $case: 'clusters', value: await answerClusters(reader) };
    default:
      return await answerEpochQuery(reader, cluster, asked);
  }
}

function answerStatus(member: CatalogMember, state: CatalogState): StatusAnswer {
  return {
    incarnation: state.incarnation,
    replicatedClockMs: state.clockMs,
    memberClockMs: BigInt(member.clock.wallMs()),
    appliedIndex: state.appliedIndex,
    stateVersion: state.stateVersion,
    feedFrom: state.feedFrom,
    orphanLock: state.orphanLock,
    segments: state.segments,
    eraseQueue: state.eraseQueue,
    clockHeld: state.clockHeld,
    stateHash: state.hash,
  };
}
