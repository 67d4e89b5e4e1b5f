// Our transactions as etcd's messages, and back.
import { LogtierError } from '../../../base/errors.ts';
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type KeyValue,
  type RequestOp,
  type TxnRequest,
  type TxnResponse,
} from '../../../gen/etcd/etcdserverpb/rpc.ts';
import type { Guard, KeyRow, Txn, TxnOp, TxnResult } from './etcd-client.ts';

const NOTHING = Buffer.alloc(0);

export function keyBytes(key: string | undefined): Buffer {
  return key === undefined ? NOTHING : Buffer.from(key);
}

export function txnRequest(txn: Txn): TxnRequest {
  return {
    compare: txn.guards.map(compareOf),
    success: txn.success.map(requestOp),
    failure: txn.failure.map(requestOp),
  };
}

function compareOf(guard: Guard): Compare {
  const key = keyBytes(guard.key);
  const result = Compare_CompareResult.EQUAL;
  return 'modRevision' in guard
    ? {
        key,
        result,
        target: Compare_CompareTarget.MOD,
        targetUnion: { $case: 'modRevision', value: guard.modRevision },
      }
    : {
        key,
        result,
        target: Compare_CompareTarget.CREATE,
        targetUnion: { $case: 'createRevision', value: guard.createRevision },
      };
}

function requestOp(op: TxnOp): RequestOp {
  if (op.kind === 'put') {
    const value = Buffer.from(op.value.buffer, op.value.byteOffset, op.value.length);
    const put = { key: keyBytes(op.key), value, lease: op.lease };
    return { request: { $case: 'requestPut', value: put } };
  }
  const range = { key: keyBytes(op.start), rangeEnd: keyBytes(op.end) };
  if (op.kind === 'delete') return { request: { $case: 'requestDeleteRange', value: range } };
  const value = { ...range, limit: BigInt(op.limit), keysOnly: op.keysOnly };
  return { request: { $case: 'requestRange', value } };
}

export function keyRow(row: KeyValue): KeyRow {
  const { value, createRevision, modRevision, lease } = row;
  return { key: row.key.toString('utf8'), value, createRevision, modRevision, lease };
}

export function txnResult({ header, succeeded, responses }: TxnResponse): TxnResult {
  if (header === undefined)
    throw new LogtierError('METASTORE_UNAVAILABLE', 'an answer without head');
  const ranges = responses.flatMap(({ response }) =>
    response?.$case === 'responseRange'
      ? [{ rows: response.value.kvs.map(keyRow), more: response.value.more }]
      : [],
  );
  return { succeeded, revision: header.revision, clusterId: header.clusterId, ranges };
}
