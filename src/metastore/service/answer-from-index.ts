// The hot look-up, by epoch and offset, without a snapshot and a range read of the engine.
import type { QueryRequest, QueryResponse } from '../../gen/logtier/v1/catalog.ts';
import { SegmentRecord, SegmentState } from '../../gen/logtier/v1/catalog_command.ts';
import { segmentKey } from '../catalog/keys.ts';
import { isOffset, parseAddress } from '../catalog/names.ts';
import { decodeRow } from '../catalog/row.ts';
import type { CatalogMember } from '../member/catalog-member.ts';
import { clusterNumber } from './queries.ts';

/** After a barrier. Undefined: the engine is to be asked. */
export async function answerFromIndex(
  member: CatalogMember,
  { clusterId, query }: QueryRequest,
): Promise<QueryResponse | undefined> {
  if (query?.$case !== 'findSegment') return undefined;
  const { epoch, offset, partition } = query.value;
  const cluster = await clusterNumber(member.engine, clusterId);
  const address = cluster === undefined ? undefined : parseAddress(cluster, partition);
  if (address === undefined || !isOffset(offset)) return undefined;
  const { revision } = member;
  const answer = member.epochIndexes.find(member.engine, address, { epoch, offset });
  if (answer.kind === 'unknown') return undefined;
  if (answer.id === undefined) return responseOf(revision, undefined);
  const bytes = await member.engine.get(segmentKey(address, answer.id));
  const segment = bytes === undefined ? undefined : decodeRow(SegmentRecord, bytes);
  // Its delete was applied between the two reads: another segment may hold the offset now.
  const isCurrent = segment?.state === SegmentState.COPY_SEGMENT_FINISHED;
  return isCurrent ? responseOf(revision, segment) : undefined;
}

function responseOf(
  revision: QueryResponse['revision'],
  segment: SegmentRecord | undefined,
): QueryResponse {
  return { revision, answer: { $case: 'findSegment', value: { segment } } };
}
