// Kafka's questions about one leader epoch (RemoteLogMetadataManager), answered from one moment of the engine.
import type { QueryRequest, QueryResponse } from '../../gen/logtier/v1/catalog.ts';
import {
  epochFacts,
  findSegment,
  nextWithTransactions,
  segmentsUpToTime,
} from '../catalog/find-segment.ts';
import { isOffset, parseAddress } from '../catalog/names.ts';
import type { KvReader } from '../engine/kv-engine.ts';
import { bounded } from './queries.ts';

type Query = NonNullable<QueryRequest['query']>;
type Answer = NonNullable<QueryResponse['answer']>;
type EpochQuery = Extract<
  Query,
  { $case: 'findSegment' | 'nextWithTransactions' | 'epoch' | 'segmentsByTime' }
>;

/** A partition that is unknown has no segments: nothing was ever claimed there. */
export async function answerEpochQuery(
  reader: KvReader,
  cluster: number,
  query: EpochQuery,
): Promise<Answer> {
  const address = parseAddress(cluster, query.value.partition);
  switch (query.$case) {
    case 'findSegment':
    case 'nextWithTransactions': {
      const find = query.$case === 'findSegment' ? findSegment : nextWithTransactions;
      const isPossible = address !== undefined && isOffset(query.value.offset);
      const segment = isPossible ? await find(reader, address, query.value) : undefined;
      return { $case: query.$case, value: { segment } };
    }
    case 'epoch': {
      const { epoch } = query.value;
      const facts = address === undefined ? undefined : await epochFacts(reader, address, epoch);
      return { $case: 'epoch', value: facts ?? { segments: 0n, logBytes: 0n } };
    }
    case 'segmentsByTime': {
      const { upToMs, limit } = query.value;
      const at = { upToMs, limit: bounded(limit) };
      const segments = address === undefined ? [] : await segmentsUpToTime(reader, address, at);
      return { $case: 'segmentsByTime', value: { segments } };
    }
  }
}
