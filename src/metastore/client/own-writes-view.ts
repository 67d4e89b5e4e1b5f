// The view as its own process writes beside it: what was answered is shown.
import { compareTokens, type PartitionId, type Revision } from '../../segment/ids.ts';
import type { PartitionSnapshot } from '../../segment/segment-record.ts';
import type { CommandChannel } from './command-channel.ts';

/** The shape that the uploader asks for (src/uploader/segment-ledger.ts). */
export interface OwnWritesView {
  snapshot(id: PartitionId, atLeast: Revision, signal: AbortSignal): Promise<PartitionSnapshot>;
  peek(id: PartitionId): PartitionSnapshot | undefined;
}

/** A snapshot waits for the revision of the newest command that the channel was answered. */
export function ownWritesView(
  view: OwnWritesView,
  channel: Pick<CommandChannel, 'answeredRevision'>,
): OwnWritesView {
  const newest = (atLeast: Revision): Revision => {
    const answered = channel.answeredRevision;
    return answered !== undefined && compareTokens(answered, atLeast) > 0 ? answered : atLeast;
  };
  return {
    snapshot: (id, atLeast, signal) => view.snapshot(id, newest(atLeast), signal),
    peek: (id) => view.peek(id),
  };
}
