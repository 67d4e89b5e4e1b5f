import { decodeConfChange } from '../../../src/metastore/raft/conf-change.ts';
import {
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type Snapshot,
} from '../../../src/metastore/raft/messages.ts';
import { RawNode } from '../../../src/metastore/raft/raw-node.ts';
import type { RaftSettings } from '../../../src/metastore/raft/settings.ts';
import { describeTrace } from '../describe-trace.ts';
import { MemoryStorage } from '../memory-storage.ts';
import type { Output } from './output.ts';

/** A core with its log and a state machine that appends what it applies. */
export class InteractionNode {
  readonly settings: RaftSettings;
  readonly storage: HistoryStorage;
  readonly raw: RawNode;
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];

  constructor(settings: RaftSettings, start: Snapshot, output: Output) {
    this.settings = settings;
    this.storage = new HistoryStorage(start);
    if (start.index > 0) this.storage.applySnapshot(start);
    const deps = {
      storage: this.storage,
      randomTimeout: () => settings.electionTicks + 1,
      trace: (event: Parameters<typeof describeTrace>[0]) => {
        const { level, text } = describeTrace(event, settings.id);
        output.log(level, text);
      },
    };
    this.raw = new RawNode(deps, settings);
  }

  save(hardState: HardState | undefined, entries: readonly Entry[], snapshot?: Snapshot): void {
    if (hardState !== undefined) this.storage.hardState = hardState;
    if (snapshot !== undefined && snapshot.index > 0) {
      if (entries.length > 0) throw new Error("can't apply snapshot and entries at the same time");
      const refusal = this.storage.applySnapshot(snapshot);
      if (refusal !== undefined) throw new Error(refusal);
    } else this.storage.append(entries);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const change = decodeConfChange(entry);
      const update = change === undefined ? entry.data : change.context;
      const confState = change === undefined ? undefined : this.raw.applyConfChange(change);
      this.storage.remember(entry, update, confState);
    }
  }
}

/** Hands out the state after the last applied entry when asked for a snapshot. */
class HistoryStorage extends MemoryStorage {
  #latest: Snapshot;

  constructor(start: Snapshot) {
    super();
    this.#latest = start;
  }

  override snapshot(): Snapshot {
    return this.#latest;
  }

  remember(entry: Entry, update: Uint8Array | undefined, confState: ConfState | undefined): void {
    const { data, confState: before } = this.#latest;
    this.#latest = {
      index: entry.index,
      term: entry.term,
      confState: confState ?? before,
      data: Buffer.concat([data ?? Buffer.alloc(0), update ?? Buffer.alloc(0)]),
    };
  }
}
