// The entries alone, for readers of a log that hands out no snapshot.
import {
  isSnapshot,
  type LogEntry,
  type LogIndex,
  type ReplicatedLog,
} from '../../src/metastore/log/replicated-log.ts';

export async function* committedEntries(
  log: ReplicatedLog,
  after: LogIndex,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  for await (const item of log.committed(after)) {
    if (isSnapshot(item)) throw new Error(`a snapshot at ${item.index} instead of entries`);
    yield item;
  }
}
