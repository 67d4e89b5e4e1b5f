// Linearizable reads, and the clocks of safety rule 8.
import { LogtierError } from '../../base/errors.ts';
import type {
  PartitionsAnswer,
  QueryRequest,
  QueryResponse,
  StatusAnswer,
} from '../../gen/logtier/v1/catalog.ts';
import type { PartitionRef } from '../../gen/logtier/v1/catalog_command.ts';
import type { Revision } from '../../segment/ids.ts';
import type { CatalogTransport } from './catalog-transport.ts';
import { revisionOf } from './records.ts';

type Query = NonNullable<QueryRequest['query']>;
type Answer = NonNullable<QueryResponse['answer']>;

export class MetastoreQueries {
  private readonly transport: CatalogTransport;
  private readonly clusterId: string;

  constructor(transport: CatalogTransport, clusterId: string) {
    this.transport = transport;
    this.clusterId = clusterId;
  }

  async status(signal: AbortSignal): Promise<StatusAnswer & { readonly revision: Revision }> {
    const { revision, answer } = await this.ask({ $case: 'status', value: {} }, signal);
    if (answer.$case !== 'status') throw unexpected();
    return { ...answer.value, revision };
  }

  /** The answering member's wall clock, and whether a jump waits for an operator. */
  async read(signal: AbortSignal): Promise<{ readonly wallMs: number; readonly held: boolean }> {
    const { memberClockMs, clockHeld } = await this.status(signal);
    return { wallMs: Number(memberClockMs), held: clockHeld };
  }

  /** Partitions of one topic by name, or of all topics; one page. */
  async partitions(
    query: { readonly topic: string; readonly after?: PartitionRef; readonly limit?: number },
    signal: AbortSignal,
  ): Promise<PartitionsAnswer & { readonly revision: Revision }> {
    const value = { topic: query.topic, after: query.after, limit: query.limit ?? 0 };
    const { revision, answer } = await this.ask({ $case: 'partitions', value }, signal);
    if (answer.$case !== 'partitions') throw unexpected();
    return { ...answer.value, revision };
  }

  async ask(
    query: Query,
    signal: AbortSignal,
  ): Promise<{ readonly revision: Revision; readonly answer: Answer }> {
    const response = await this.transport.query({ clusterId: this.clusterId, query }, signal);
    if (response.answer === undefined) throw unexpected();
    return { revision: revisionOf(response.revision), answer: response.answer };
  }
}

function unexpected(): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', 'the metastore answered something else');
}
