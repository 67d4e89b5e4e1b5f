// What the records of a log add up to, in the order they were written.
import { EntryIndex, type EntryPlace } from './entry-index.ts';
import type { HardState, MembershipMark, SnapshotMark, WalRecord } from './wal-record.ts';

/** Why a record cannot follow the ones before it; undefined when it can. */
export type Refusal = string | undefined;

export class LogState {
  readonly entries: EntryIndex;
  hardState: HardState | undefined;
  snapshot: SnapshotMark | undefined;
  /** Ascending: the one that holds at the snapshot, and all behind it. */
  memberships: readonly MembershipMark[] = [];

  /** `next`: index of the next entry when the oldest file that is left was begun. */
  constructor(next: bigint) {
    this.entries = new EntryIndex(next);
  }

  get lastIndex(): bigint {
    return this.entries.next - 1n;
  }

  apply(record: WalRecord, place: EntryPlace): Refusal {
    switch (record.kind) {
      case 'entry':
        if (record.index !== this.entries.next) {
          return `entry ${record.index} follows entry ${this.lastIndex}`;
        }
        this.entries.append(record, place);
        return undefined;
      case 'hardState':
        this.hardState = { term: record.term, vote: record.vote, commit: record.commit };
        return undefined;
      case 'snapshotMarker':
        this.applySnapshot(record);
        return undefined;
      case 'truncate':
        if (record.fromIndex < this.entries.next) this.entries.truncate(record.fromIndex);
        return undefined;
      case 'mark':
        return undefined;
      case 'membership':
        this.addMembership(record);
        return undefined;
    }
  }

  private applySnapshot({ index, term }: SnapshotMark): void {
    this.snapshot = { index, term };
    if (index >= this.entries.next) this.entries.reset(index + 1n);
    const holding = this.memberships.findLastIndex((each) => each.index <= index);
    if (holding > 0) this.memberships = this.memberships.slice(holding);
  }

  /** A later one at or below an earlier one replaces it: that one never came to hold. */
  private addMembership({ index, state }: MembershipMark): void {
    const before = this.memberships.filter((each) => each.index < index);
    this.memberships = [...before, { index, state }];
  }
}
