// Which rows a command will surely ask for, so that a batch reads them in one hop. Only a help: what is
// missing here is read when it is asked for.
import type { Command, Op, SegmentRecord } from '../../gen/logtier/v1/catalog_command.ts';
import { epochKey } from './index-keys.ts';
import {
  answerKey,
  claimKey,
  eraseKey,
  lineageKey,
  remoteStartKey,
  segmentKey,
  sessionKey,
  tombstoneKey,
  topicKey,
  totalsKey,
} from './keys.ts';
import { parseAddress, parseSegmentId } from './names.ts';

export function keysOf(cluster: number, command: Command): Uint8Array[] {
  const { clientId, seq } = command;
  const keys = clientId === 0n ? [] : [sessionKey(clientId), answerKey(clientId, seq)];
  for (const { op } of command.ops) keys.push(...keysOfOp(cluster, op));
  return keys;
}

function keysOfOp(cluster: number, op: Op['op']): Uint8Array[] {
  if (op === undefined) return [];
  const value = op.$case === 'startCopy' ? op.value.segment : op.value;
  if (value === undefined) return [];
  const ref = op.$case === 'startCopy' ? op.value.segment : partitionOf(value);
  const address = parseAddress(cluster, ref);
  if (address === undefined) return [];
  const id = parseSegmentId(segmentOf(value));
  const ofSegment = id === undefined ? [] : [segmentKey(address, id), eraseKey(address, id)];
  return [
    ...ofSegment,
    ...epochsOf(value).map((epoch) => epochKey(address, epoch)),
    claimKey(address),
    tombstoneKey(cluster, address.topicId),
    topicKey(cluster, address.topicId),
    totalsKey(address),
    lineageKey(address),
    remoteStartKey(address),
  ];
}

function partitionOf(
  value: NonNullable<Op['op']>['value'],
): { readonly topicId: string; readonly partition: number } | undefined {
  return 'partition' in value && typeof value.partition === 'object' ? value.partition : undefined;
}

function epochsOf(value: NonNullable<Op['op']>['value'] | SegmentRecord): readonly number[] {
  return 'epochs' in value ? value.epochs.map(({ epoch }) => epoch) : [];
}

function segmentOf(value: NonNullable<Op['op']>['value'] | SegmentRecord): string {
  return 'segmentId' in value && typeof value.segmentId === 'string' ? value.segmentId : '';
}
