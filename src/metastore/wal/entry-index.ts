// Where each live entry of the log lies, and its term. About 8 bytes of memory an entry.
import { assert } from '../../base/assert.ts';

/** Neighbouring entries in one file; `positions[i]` is that of entry `first + i`. */
interface Run {
  readonly seq: number;
  first: bigint;
  positions: number[];
}

/** Entries from `first` on have `term`, up to the next run. */
interface TermRun {
  readonly first: bigint;
  readonly term: bigint;
}

export interface EntryPlace {
  readonly seq: number;
  readonly position: number;
}

export interface NewEntry {
  readonly term: bigint;
  readonly changesMembers: boolean;
}

export class EntryIndex {
  private runs: Run[] = [];
  private terms: TermRun[] = [];
  /** Live entries that change the members, ascending; few. */
  private memberChanges: bigint[] = [];
  /** Index of the next entry. */
  next: bigint;

  constructor(next: bigint) {
    this.next = next;
  }

  /** Index of the oldest live entry; `next` when there is none. */
  get first(): bigint {
    return this.runs[0]?.first ?? this.next;
  }

  append({ term, changesMembers }: NewEntry, place: EntryPlace): void {
    if (changesMembers) this.memberChanges.push(this.next);
    const last = this.runs.at(-1);
    if (last?.seq === place.seq) last.positions.push(place.position);
    else this.runs.push({ seq: place.seq, first: this.next, positions: [place.position] });
    if (this.terms.at(-1)?.term !== term) this.terms.push({ first: this.next, term });
    this.next += 1n;
  }

  /** Entries from `fromIndex` on are gone; the next one is `fromIndex`. */
  truncate(fromIndex: bigint): void {
    while (true) {
      const last = this.runs.at(-1);
      if (last === undefined || last.first + BigInt(last.positions.length) <= fromIndex) break;
      if (last.first >= fromIndex) this.runs.pop();
      else last.positions.length = Number(fromIndex - last.first);
    }
    this.terms = this.terms.filter(({ first }) => first < fromIndex);
    this.memberChanges = this.memberChanges.filter((index) => index < fromIndex);
    this.next = fromIndex;
  }

  /** The log starts anew at `next`. */
  reset(next: bigint): void {
    this.runs = [];
    this.terms = [];
    this.memberChanges = [];
    this.next = next;
  }

  /** Files before `seq` are gone. */
  dropBefore(seq: number): void {
    this.runs = this.runs.filter((run) => run.seq >= seq);
    const oldest = this.first;
    this.memberChanges = this.memberChanges.filter((index) => index >= oldest);
    this.terms = this.terms.filter((_, at) => {
      const following = this.terms[at + 1];
      return following === undefined || following.first > oldest;
    });
  }

  /** Index behind the last live entry of file `seq`; undefined when it has none. */
  endOf(seq: number): bigint | undefined {
    const run = this.runs.findLast((each) => each.seq === seq);
    return run === undefined ? undefined : run.first + BigInt(run.positions.length);
  }

  termOf(index: bigint): bigint | undefined {
    if (index < this.first || index >= this.next) return undefined;
    return this.terms.findLast(({ first }) => first <= index)?.term;
  }

  /** The first live entry after `index` that changes the members. */
  memberChangeAfter(index: bigint): bigint | undefined {
    return this.memberChanges.find((each) => each > index);
  }

  /** Places of the entries from `from` on that lie in one file, at most `limit`. */
  places(from: bigint, limit: number): EntryPlace[] {
    assert(from >= this.first && from < this.next, 'the entry is live');
    const run = this.runs.findLast(({ first }) => first <= from);
    if (run === undefined) return [];
    const start = Number(from - run.first);
    const { seq } = run;
    return run.positions.slice(start, start + limit).map((position) => ({ seq, position }));
  }
}
