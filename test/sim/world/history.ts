// What the group committed, as the first member that saw it told, and what must then be true everywhere.
import { LogtierError } from '../../../src/base/errors.ts';
import {
  Command,
  type CommandResult,
  type FenceToken,
  Op,
} from '../../../src/gen/logtier/v1/catalog_command.ts';
import type { LogEntry } from '../../../src/metastore/log/replicated-log.ts';
import type { Reference } from './reference.ts';
import { answersOf } from './reference-print.ts';

type AnyOp = NonNullable<Op['op']>;

function opText(op: AnyOp | undefined): string {
  return Buffer.from(Op.encode({ op }).finish()).toString('latin1');
}

interface Committed {
  readonly term: bigint;
  readonly command: Uint8Array;
}

/** Of one incarnation; a restore begins the next. */
export class History {
  readonly reference: Reference;
  /** When revision `index` was first seen committed, ascending. */
  readonly seen: { readonly index: bigint; readonly atMs: number }[] = [];
  newestAcknowledged = 0n;
  private readonly entries = new Map<bigint, Committed>();
  private readonly hashes = new Map<bigint, number>();
  private readonly first: bigint;
  private last: bigint;

  constructor(reference: Reference) {
    this.reference = reference;
    this.first = reference.applied;
    this.last = reference.applied;
  }

  get newest(): bigint {
    return this.last;
  }

  /** One command an index, on all members, in all their lives. */
  committed({ index, term, command }: LogEntry, atMs: number): void {
    const known = this.entries.get(index);
    if (known !== undefined) {
      if (known.term === term && Buffer.compare(known.command, command) === 0) return;
      throw new Error(`another command was committed at index ${index}`);
    }
    // A restored member alone counts its content as entry 1.
    if (index <= this.first) return;
    if (index !== this.last + 1n) throw new Error(`entry ${index} comes after ${this.last}`);
    this.entries.set(index, { term, command });
    this.last = index;
    this.reference.apply(index, command);
    this.seen.push({ index, atMs });
  }

  /** Equal index, equal content. */
  state(index: bigint, hash: number): void {
    const known = this.hashes.get(index);
    if (known === undefined) this.hashes.set(index, hash);
    else if (known !== hash) throw new Error(`two members differ at index ${index}`);
  }

  /** The answer that a client got: it stands in the log, once, and is the one the reference gives. */
  acknowledged(asked: Command, result: CommandResult): void {
    const index = result.revision?.index ?? 0n;
    const committed = this.entries.get(index);
    if (committed === undefined) throw new Error(`an answer of index ${index}, which is nobody's`);
    const found = Command.decode(committed.command);
    const isIt =
      result.seq === asked.seq && textOf(found) === textOf({ ...asked, nowMs: found.nowMs });
    // A command that was refused before it had an answer of its own is told under its own entry.
    if (!isIt) throw new Error(`the answer of index ${index} is of another command`);
    const expected = this.reference.results.get(index);
    const answers = answersOf(result).join();
    if (expected === undefined || expected.answers.join() !== answers) {
      throw new Error(`index ${index} answers ${answers}, not ${expected?.answers.join()}`);
    }
    if (index > this.newestAcknowledged) this.newestAcknowledged = index;
  }

  /** A client was told that this very command is the one at `index`. */
  holds(index: bigint, ops: readonly AnyOp[]): void {
    const committed = this.entries.get(index);
    const found = committed === undefined ? [] : Command.decode(committed.command).ops;
    const isIt = found.map(({ op }) => opText(op)).join() === ops.map(opText).join();
    if (!isIt) throw new Error(`index ${index} holds another command than its client was told`);
  }

  /** The newest revision that everybody could know at `atMs`. */
  newestAt(atMs: number): bigint {
    return this.seen.findLast((each) => each.atMs <= atMs)?.index ?? this.first;
  }

  intents(): string[] {
    return [...this.entries.values()].flatMap(({ command }) =>
      Command.decode(command).ops.flatMap(({ op }) =>
        op?.$case === 'startCopy' ? [opText(op)] : [],
      ),
    );
  }

  /** As of `index`, which may lie in the past. */
  replayedTo(index: bigint, start: Reference): Reference {
    for (let at = start.applied + 1n; at <= index; at += 1n) {
      start.apply(at, this.entries.get(at)!.command);
    }
    return start;
  }
}

function textOf(command: Command): string {
  return Buffer.from(
    Command.encode({ ...command, nowMs: 0n, answeredBelow: 0n }).finish(),
  ).toString('latin1');
}

/** All incarnations. */
export class Histories {
  /** When the newest incarnation began. */
  begunMs = 0;
  /** Intents whose client was told that they were never sent. */
  private readonly unsent = new Set<string>();
  private readonly all = new Map<
    number,
    { readonly history: History; readonly start: Reference }
  >();
  private newest = 0;

  get current(): History {
    return this.all.get(this.newest)!.history;
  }

  get incarnation(): number {
    return this.newest;
  }

  begin(reference: Reference, start: Reference): History {
    const history = new History(reference);
    this.newest = reference.incarnation;
    this.all.set(this.newest, { history, start });
    return history;
  }

  /** The reference of `incarnation` as of `index`, to begin another one with. */
  asOf(incarnation: number, index: bigint): Reference {
    const { history, start } = this.all.get(incarnation)!;
    return history.replayedTo(index, start);
  }

  neverSent(ops: readonly AnyOp[]): void {
    for (const op of ops) if (op.$case === 'startCopy') this.unsent.add(opText(op));
  }

  /** At the end: what was never sent is nowhere. */
  checkUnsent(): void {
    for (const { history } of this.all.values()) {
      const sent = history.intents().find((text) => this.unsent.has(text));
      if (sent !== undefined) throw new Error('a command is in the log that was told never sent');
    }
  }

  of(token: FenceToken | undefined): History {
    const found = this.all.get(token?.incarnation ?? 0);
    if (found === undefined) {
      throw new LogtierError('CORRUPT_STATE', `no incarnation ${token?.incarnation}`);
    }
    return found.history;
  }
}
