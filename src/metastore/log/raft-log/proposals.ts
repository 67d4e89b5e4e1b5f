// Commands between `propose` and their outcome: waiting for the turn, then for a majority.
import { LogtierError } from '../../../base/errors.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';
import type { Entry } from '../../raft/messages.ts';
import type { LogIndex } from '../replicated-log.ts';

/** Commands in one message to the core: the limits on uncommitted bytes are checked a message at a time. */
const BATCH_BYTES = 2 ** 20;
const BATCH_COMMANDS = 1024;

interface Proposal {
  readonly command: Uint8Array;
  settle(outcome: LogIndex | LogtierError): void;
}

interface Appended extends Proposal {
  readonly term: number;
}

export class Proposals {
  /** In the order of the calls. */
  private waiting: Proposal[] = [];
  private waitingBytes = 0;
  /** Taken by the core, not yet told under which index. */
  private taken: Proposal[] = [];
  private readonly appended = new Map<number, Appended>();

  get bytes(): number {
    return this.waitingBytes;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  add(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        const cause = abortError(signal);
        reject(new LogtierError('OUTCOME_UNKNOWN', 'stopped waiting for a command', { cause }));
      });
      const settle = (outcome: LogIndex | LogtierError): void => {
        forget();
        if (outcome instanceof LogtierError) reject(outcome);
        else resolve(outcome);
      };
      this.waiting.push({ command, settle });
      this.waitingBytes += command.length;
    });
  }

  /** The next commands for one message, oldest first; `appendedAs` or `refuse` follows. */
  take(): readonly Uint8Array[] {
    let bytes = 0;
    let count = 0;
    for (const { command } of this.waiting) {
      if (count > 0 && (bytes + command.length > BATCH_BYTES || count >= BATCH_COMMANDS)) break;
      bytes += command.length;
      count += 1;
    }
    const batch = this.waiting.slice(0, count);
    this.waiting = this.waiting.slice(count);
    this.waitingBytes -= bytes;
    this.taken.push(...batch);
    return batch.map(({ command }) => command);
  }

  /** The last batch was surely not taken. */
  refuse(count: number, error: LogtierError): void {
    for (const proposal of this.taken.splice(this.taken.length - count)) proposal.settle(error);
  }

  refuseWaiting(error: LogtierError): void {
    const { waiting } = this;
    this.waiting = [];
    this.waitingBytes = 0;
    for (const proposal of waiting) proposal.settle(error);
  }

  /** Entries that the core added to its log; ours are among them, in order. */
  appendedAs(entries: readonly Entry[]): void {
    let at = 0;
    for (const { index, term, data } of entries) {
      const proposal = this.taken[at];
      if (proposal === undefined) break;
      if (proposal.command !== data) continue;
      this.appended.set(index, { ...proposal, term });
      at += 1;
    }
    if (at > 0) this.taken = this.taken.slice(at);
  }

  committed({ index, term }: Entry): void {
    const proposal = this.appended.get(index);
    if (proposal === undefined) return;
    this.appended.delete(index);
    proposal.settle(proposal.term === term ? BigInt(index) : replaced(index));
  }

  /** Leadership is lost, the log broke or stops: they may be committed, or not. */
  loseAppended(why: string): void {
    const lost = [...this.appended.values(), ...this.taken];
    this.appended.clear();
    this.taken = [];
    for (const proposal of lost) {
      proposal.settle(new LogtierError('OUTCOME_UNKNOWN', `a command may be committed: ${why}`));
    }
  }
}

function replaced(index: number): LogtierError {
  return new LogtierError('NOT_LEADER', `another leader's entry took the place ${index}`);
}
