// The offsets of a partition over both tiers, as far as they are known now.
import type { DecideDeps } from './decide.ts';
import { viewOfPartition } from './partition-view.ts';
import type { TopicId } from '../segment/ids.ts';

export interface TieredOffsets {
  readonly topicId: TopicId;
  /** First offset the remote tier offers. */
  readonly remoteStart: bigint;
  /** Exclusive end of what is remote from there without a hole; undefined: nothing is. */
  readonly tieredTo: bigint | undefined;
  readonly localStart: bigint | undefined;
  readonly highWatermark: bigint | undefined;
  readonly lastStableOffset: bigint | undefined;
  /** Of the newest claim, else of the stored lineage; 0 when neither is known. */
  readonly leaderEpoch: number;
}

export async function readOffsets(
  deps: DecideDeps,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<TieredOffsets> {
  const [found, local] = await Promise.all([
    deps.lookup.find(topic, partition, signal),
    deps.local.ask(topic, partition, signal),
  ]);
  const { snapshot, remoteEnd } = viewOfPartition(found);
  const { remoteStart, claim, lineage } = snapshot;
  return {
    topicId: snapshot.id.topicId,
    remoteStart,
    tieredTo: remoteEnd > remoteStart ? remoteEnd : undefined,
    ...local,
    leaderEpoch: claim?.leaderEpoch ?? lineage.at(-1)?.epoch ?? 0,
  };
}
