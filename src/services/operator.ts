// The operator's service over gRPC: requests in, the operator room's answers out.
import { hasCode, LogtierError } from '../base/errors.ts';
import {
  OperatorServiceService,
  type ListRemoteSegmentsRequest,
  type ListRemoteSegmentsResponse,
  type ReadObjectRequest,
  type ReadObjectResponse,
  type ReadRecordsRequest,
} from '../gen/logtier/v1/operator.ts';
import { segmentMessage } from '../operator/catalog-messages.ts';
import { diagnose, type DiagnoseDeps, type DiagnoseSettings } from '../operator/diagnose.ts';
import { explain, type ExplainDeps } from '../operator/explain.ts';
import {
  describePartition,
  listPartitions,
  type InventoryDeps,
  type InventorySettings,
} from '../operator/inventory.ts';
import { readRecords, type ReadRecordsDeps } from '../operator/read-records.ts';
import { releaseClaim, type ReleaseDeps } from '../operator/release-claim.ts';
import { resetClaim, type ResetDeps } from '../operator/reset-claim.ts';
import type { CatalogActs, RemoteCatalog } from '../operator/remote-catalog.ts';
import { SegmentFinder } from '../operator/segment-finder.ts';
import { auditStore } from '../operator/store-audit.ts';
import { watchTasks, type TasksDeps } from '../operator/tasks.ts';
import type { Logger } from '../platform/log.ts';
import { framedMessage, type FramedMessage } from '../rpc/framed-message.ts';
import type { CallContext } from '../rpc/method.ts';
import { rpcService, type RpcService } from '../rpc/serve.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';

export type OperatorDeps = InventoryDeps &
  ExplainDeps &
  DiagnoseDeps &
  ReadRecordsDeps &
  ReleaseDeps &
  ResetDeps &
  TasksDeps & {
    readonly catalog: RemoteCatalog;
    readonly acts: CatalogActs;
    readonly stores: ReadonlyMap<string, ObjectStore>;
    readonly logger: Logger;
  };

export type OperatorServiceSettings = InventorySettings & DiagnoseSettings;

/** Records a message of ListRemoteSegments. */
const SEGMENTS_AT_ONCE = 500;
/** Number of `chunk` in ReadObjectResponse. */
const CHUNK_FIELD = 2;

export function operatorService(deps: OperatorDeps, settings: OperatorServiceSettings): RpcService {
  const finder = new SegmentFinder(deps.catalog);
  return rpcService(OperatorServiceService, {
    listPartitions: ({ topic, partition }, { signal }) =>
      listPartitions(
        deps,
        settings,
        { topic: topic === '' ? undefined : topic, partition },
        signal,
      ),
    describePartition: (request, { signal }) => describePartition(deps, settings, request, signal),
    explain: ({ topic, partition }, { signal }) =>
      explain(deps, settings, { topic, partition }, signal),
    getSegment: async ({ segmentId }, { signal }) => {
      const { segment, topic } = await finder.find(segmentId, signal);
      return { segment: segmentMessage(segment), topic };
    },
    listRemoteSegments: (request, { signal }) => listSegments(deps.catalog, request, signal),
    watchTasks: (_request, { signal }) => watchTasks(deps, settings, signal),
    readObject: (request, { signal }) =>
      readObject({ finder, stores: deps.stores }, request, signal),
    readRecords: (request, { signal }) => readRecords(deps, checkedRead(request), signal),
    auditStore: ({ store }, { signal }) => auditStore(deps, settings, store, signal),
    diagnose: (_request, { signal }) => diagnose(deps, settings, signal),
    confirmClock: (request, context) => confirmClock(deps, request.confirmedBy, context),
    releaseClaim: async ({ topic, partition }, { signal, peer }) => {
      await releaseClaim(deps, { topic, partition }, signal);
      deps.logger.warn({ topic, partition, peer }, 'an operator released a claim');
      return {};
    },
    resetClaim: async (request, { signal, peer }) => {
      const reset = await resetClaim(deps, request, signal);
      deps.logger.warn({ ...request, ...reset, peer }, 'an operator reset the claims of a topic');
      return reset;
    },
  });
}

function checkedRead(request: ReadRecordsRequest): ReadRecordsRequest {
  if (request.topic !== '') return request;
  throw new LogtierError('INVALID_ARGUMENT', 'no topic is named');
}

async function confirmClock(
  { acts, catalog, clock, logger }: OperatorDeps,
  confirmedBy: string,
  { signal, peer }: CallContext,
): Promise<{ replicatedClockMs: bigint }> {
  if (confirmedBy.trim() === '') {
    throw new LogtierError('INVALID_ARGUMENT', 'nobody is named who confirms the clock', {
      hint: 'say who you are; it is written down',
    });
  }
  const nowMs = Math.round(clock.wallMs());
  await acts.confirmClock(nowMs, confirmedBy, signal);
  logger.warn({ confirmedBy, nowMs, peer }, 'an operator confirmed the clock');
  const { replicatedClockMs } = await catalog.status(signal);
  return { replicatedClockMs: BigInt(Math.round(replicatedClockMs)) };
}

async function* listSegments(
  catalog: RemoteCatalog,
  request: ListRemoteSegmentsRequest,
  signal: AbortSignal,
): AsyncGenerator<ListRemoteSegmentsResponse, void, undefined> {
  const { topic, partition, fromOffset = 0n, toOffset } = request;
  const { segments } = await findPartition(catalog, { topic, partition }, signal);
  const asked = segments.filter(
    ({ startOffset, nextOffset }) =>
      nextOffset > fromOffset && (toOffset === undefined || startOffset < toOffset),
  );
  for (let at = 0; at < asked.length; at += SEGMENTS_AT_ONCE) {
    yield { segments: asked.slice(at, at + SEGMENTS_AT_ONCE).map(segmentMessage) };
  }
}

async function findPartition(
  catalog: RemoteCatalog,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): ReturnType<RemoteCatalog['find']> {
  try {
    return await catalog.find(topic, partition, signal);
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND')) throw error;
    throw new LogtierError('NOT_FOUND', `nothing of ${topic}-${partition} was ever tiered`, {
      hint: `logtier why ${topic} tells what holds its segments up`,
      cause: error,
    });
  }
}

/** The record, then the bytes as the store has them, in frames that are filled once. */
async function* readObject(
  { finder, stores }: { readonly finder: SegmentFinder } & Pick<OperatorDeps, 'stores'>,
  { segmentId, start, end }: ReadObjectRequest,
  signal: AbortSignal,
): AsyncGenerator<ReadObjectResponse | FramedMessage, void, undefined> {
  const { segment } = await finder.find(segmentId, signal);
  const range = rangeOf(segment, start, end);
  const store = stores.get(segment.store);
  if (store === undefined) {
    throw new LogtierError('NOT_FOUND', `no store '${segment.store}' is configured here`, {
      hint: 'ask a sidecar that has it under stores',
    });
  }
  yield { message: { $case: 'segment', value: segmentMessage(segment) } };
  if (range.start === range.end) return;
  for await (const bytes of store.get(segment.objectKey, range, signal)) {
    const message = framedMessage(CHUNK_FIELD, bytes.length);
    message.payload.set(bytes);
    yield message;
  }
}

function rangeOf(
  { segmentId, objectBytes }: SegmentRecord,
  start: bigint,
  end: bigint,
): { start: number; end: number } {
  const to = end === 0n ? BigInt(objectBytes) : end;
  if (start <= to && to <= BigInt(objectBytes)) return { start: Number(start), end: Number(to) };
  throw new LogtierError(
    'INVALID_ARGUMENT',
    `bytes [${start}, ${to}) do not lie in segment ${segmentId} of ${objectBytes} bytes`,
  );
}
