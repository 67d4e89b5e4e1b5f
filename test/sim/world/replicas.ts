// Members compared with each other and with the reference.
import type { PartitionRow, SegmentRecord } from '../../../src/gen/logtier/v1/catalog_command.ts';
import { readState } from '../../../src/metastore/catalog/state.ts';
import { CLUSTER, contentHash } from '../../support/metastore-catalog.ts';
import type { Topics } from './commands.ts';
import type { Group } from './group.ts';
import type { Histories } from './history.ts';
import { keyOf, printPartition, printRecord, tokenText } from './reference-print.ts';
import type { Life } from './sim-member.ts';

/** Log matching: where two logs agree on a term, they agree below. */
export function checkLogs({ members }: Group): void {
  const lives = members.flatMap(({ life }) => (life === undefined ? [] : [life]));
  lives.forEach((left, at) => {
    for (const right of lives.slice(at + 1)) compareLogs(left, right);
  });
}

function compareLogs({ wal: left }: Life, { wal: right }: Life): void {
  const last = left.lastIndex < right.lastIndex ? left.lastIndex : right.lastIndex;
  const first = left.firstIndex > right.firstIndex ? left.firstIndex : right.firstIndex;
  let isSame = false;
  for (let index = last; index >= first; index -= 1n) {
    const isEqual = left.termOf(index) === right.termOf(index);
    if (isSame && !isEqual) throw new Error(`two logs agree above index ${index} and not there`);
    isSame = isEqual;
  }
}

/** Byte for byte, then row by row against the reference. */
export async function checkContents(
  group: Group,
  histories: Histories,
  topics: Topics,
): Promise<void> {
  const hashes = new Set<string>();
  const lives = group.members.flatMap(({ life }) => (life === undefined ? [] : [life]));
  // Engines answer at once by now: all this is one moment.
  for (const { member } of lives) hashes.add(await contentHash(member.engine));
  if (hashes.size !== 1) throw new Error('the members hold different rows');
  for (const life of lives) await checkContent(life, histories, topics);
}

async function checkContent(life: Life, histories: Histories, topics: Topics): Promise<void> {
  const { reference } = histories.current;
  const { signal } = new AbortController();
  for (const { id } of topics.partitions) {
    const segments: SegmentRecord[] = [];
    let row: PartitionRow | undefined;
    let at = 0n;
    const request = { clusterId: CLUSTER, partition: { ...id } };
    for await (const page of life.service.listSegments(request, signal)) {
      row = page.partition ?? row;
      at = page.revision?.index ?? at;
      segments.push(...page.segments);
    }
    const told = row === undefined ? 'nobody' : printRow(row, segments);
    // A late command may still come in between.
    const expected = reference.partitionAt(keyOf(id), at) ?? 'nobody';
    if (told !== expected) throw new Error(`a member holds ${told}\ninstead of ${expected}`);
  }
  const state = await readState(life.member.engine, life.member.state.metastoreId);
  const isLevel = state.appliedIndex === reference.applied;
  if (isLevel && state.eraseQueue !== BigInt(reference.erase.size)) {
    throw new Error(`${state.eraseQueue} objects are to be erased, not ${reference.erase.size}`);
  }
}

function printRow(
  { claim, remoteStart }: PartitionRow,
  segments: readonly SegmentRecord[],
): string {
  if (claim === undefined) return 'nobody';
  return printPartition({
    claim: {
      token: tokenText(claim.fenceToken),
      epoch: claim.leaderEpoch,
      brokerId: claim.brokerId,
      released: claim.released,
    },
    remoteStart,
    segments: segments.map(printRecord),
  });
}
