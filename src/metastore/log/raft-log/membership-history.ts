// Who was in the group from which index on, back to the snapshot that the log begins with.
import { assert } from '../../../base/assert.ts';
import type { MembershipMark } from '../../wal/wal-record.ts';
import { decodeMembership, type Membership } from './membership.ts';

interface Since {
  readonly index: number;
  readonly membership: Membership;
}

export class MembershipHistory {
  private marks: Since[];

  /** `marks` ascending, at least one; those above `committed` never came to hold. */
  constructor(marks: readonly MembershipMark[], committed: bigint) {
    this.marks = marks
      .filter(({ index }) => index <= committed)
      .map(({ index, state }) => ({ index: Number(index), membership: decodeMembership(state) }));
    assert(this.marks.length > 0, 'a log says who is in the group');
  }

  get current(): Membership {
    return this.newest.membership;
  }

  /** Index from which on the current one holds. */
  get since(): number {
    return this.newest.index;
  }

  at(index: number): Membership | undefined {
    return this.marks.findLast((mark) => mark.index <= index)?.membership;
  }

  add(index: number, membership: Membership): void {
    this.marks = [...this.marks.filter((mark) => mark.index < index), { index, membership }];
  }

  /** A snapshot replaced the log: what holds at it is all there is. */
  restore({ index, state }: MembershipMark): void {
    this.marks = [{ index: Number(index), membership: decodeMembership(state) }];
  }

  /** Nobody asks for anything below `index` any more. */
  forgetBelow(index: number): void {
    const holding = this.marks.findLastIndex((mark) => mark.index <= index);
    if (holding > 0) this.marks = this.marks.slice(holding);
  }

  private get newest(): Since {
    const newest = this.marks.at(-1);
    assert(newest !== undefined, 'a log says who is in the group');
    return newest;
  }
}
