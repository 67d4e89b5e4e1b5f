// The operator's service as commands call it.
import type {
  AuditStoreRequest,
  AuditStoreResponse,
  ConfirmClockRequest,
  ConfirmClockResponse,
  DescribePartitionRequest,
  DescribePartitionResponse,
  DiagnoseRequest,
  DiagnoseResponse,
  ExplainRequest,
  ExplainResponse,
  GetSegmentRequest,
  GetSegmentResponse,
  ListPartitionsRequest,
  ListPartitionsResponse,
  ListRemoteSegmentsRequest,
  ListRemoteSegmentsResponse,
  ReadObjectRequest,
  ReadObjectResponse,
  ReadRecordsRequest,
  ReadRecordsResponse,
  ReleaseClaimRequest,
  ReleaseClaimResponse,
  ResetClaimRequest,
  ResetClaimResponse,
  WatchTasksRequest,
  WatchTasksResponse,
} from '../gen/logtier/v1/operator.ts';

/** Errors are those of the service, with their hints; METASTORE_UNAVAILABLE when nothing answers at the endpoint. */
export interface OperatorCalls {
  listPartitions(
    request: ListPartitionsRequest,
    signal: AbortSignal,
  ): Promise<ListPartitionsResponse>;
  describePartition(
    request: DescribePartitionRequest,
    signal: AbortSignal,
  ): Promise<DescribePartitionResponse>;
  explain(request: ExplainRequest, signal: AbortSignal): Promise<ExplainResponse>;
  getSegment(request: GetSegmentRequest, signal: AbortSignal): Promise<GetSegmentResponse>;
  listRemoteSegments(
    request: ListRemoteSegmentsRequest,
    signal: AbortSignal,
  ): AsyncIterable<ListRemoteSegmentsResponse>;
  watchTasks(request: WatchTasksRequest, signal: AbortSignal): AsyncIterable<WatchTasksResponse>;
  readObject(request: ReadObjectRequest, signal: AbortSignal): AsyncIterable<ReadObjectResponse>;
  readRecords(request: ReadRecordsRequest, signal: AbortSignal): AsyncIterable<ReadRecordsResponse>;
  auditStore(request: AuditStoreRequest, signal: AbortSignal): AsyncIterable<AuditStoreResponse>;
  diagnose(request: DiagnoseRequest, signal: AbortSignal): Promise<DiagnoseResponse>;
  confirmClock(request: ConfirmClockRequest, signal: AbortSignal): Promise<ConfirmClockResponse>;
  releaseClaim(request: ReleaseClaimRequest, signal: AbortSignal): Promise<ReleaseClaimResponse>;
  resetClaim(request: ResetClaimRequest, signal: AbortSignal): Promise<ResetClaimResponse>;
  close(): void;
}
