// Which rows a command will surely ask for, so that a batch reads them in two hops. Only a help: what is
// missing here is read when it is asked for.
import {
  ClientSession,
  type Command,
  type Op,
  SegmentRecord,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { EngineBase } from './engine-base.ts';
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
import { rowOf } from './row.ts';

export function keysOf(base: EngineBase, cluster: number, command: Command): Uint8Array[] {
  const { clientId } = command;
  const keys = clientId === 0n ? [] : [sessionKey(clientId)];
  for (const { op } of command.ops) keys.push(...keysOfOp(base, cluster, op));
  return keys;
}

/** What the rows of `keysOf`, which are in `base` now, lead to. */
export function furtherKeysOf(base: EngineBase, cluster: number, command: Command): Uint8Array[] {
  const keys = keysOfRepeat(base, command);
  for (const { op } of command.ops) keys.push(...epochKeysOf(base, cluster, op));
  return keys;
}

/** Only a command that came before has an answer already. */
function keysOfRepeat(base: EngineBase, { clientId, seq }: Command): Uint8Array[] {
  const session = clientId === 0n ? undefined : base.known(sessionKey(clientId));
  if (session === undefined || seq > rowOf(ClientSession, session).highestSeq) return [];
  return [answerKey(clientId, seq)];
}

/** Of a segment that the command names by its id alone. */
function epochKeysOf(base: EngineBase, cluster: number, op: Op['op']): Uint8Array[] {
  const value = op?.value;
  if (value === undefined) return [];
  const named = segmentOf(value);
  const address = named === '' ? undefined : parseAddress(cluster, partitionOf(value));
  const id = address === undefined ? undefined : parseSegmentId(named);
  if (address === undefined || id === undefined) return [];
  const row = base.known(segmentKey(address, id));
  if (row === undefined) return [];
  return rowOf(SegmentRecord, row).epochs.map(({ epoch }) => epochKey(address, epoch));
}

function keysOfOp(base: EngineBase, cluster: number, op: Op['op']): Uint8Array[] {
  if (op === undefined) return [];
  const value = op.$case === 'startCopy' ? op.value.segment : op.value;
  if (value === undefined) return [];
  const ref = op.$case === 'startCopy' ? op.value.segment : partitionOf(value);
  const address = parseAddress(cluster, ref);
  if (address === undefined) return [];
  const named = segmentOf(value);
  const id = named === '' ? undefined : parseSegmentId(named);
  const ofSegment = id === undefined ? [] : [segmentKey(address, id), eraseKey(address, id)];
  const keys = [...ofSegment, ...epochsOf(value).map((epoch) => epochKey(address, epoch))];
  if (base.warmUp(address)) return keys;
  return [
    ...keys,
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
