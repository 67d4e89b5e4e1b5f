// Read barriers: all that were asked for in one turn share one round of heartbeats (ReadIndex).
import type { LogtierError } from '../../../base/errors.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';
import type { ReadState } from '../../raft/ready.ts';
import type { LogIndex } from '../replicated-log.ts';

interface Waiter {
  resolve(index: LogIndex): void;
  reject(error: LogtierError): void;
}

interface Round {
  readonly waiters: readonly Waiter[];
  /** Answers come within an election's time or never: messages get lost. */
  ticksLeft: number;
}

export class ReadRounds {
  /** Of this life of this member: an answer of an earlier one is nobody's. */
  private readonly life: Uint8Array;
  private readonly patienceTicks: number;
  private waiting: Waiter[] = [];
  private readonly rounds = new Map<string, Round>();
  private count = 0;

  constructor(life: Uint8Array, patienceTicks: number) {
    this.life = life;
    this.patienceTicks = patienceTicks;
  }

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  add(signal: AbortSignal): Promise<LogIndex> {
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        reject(abortError(signal));
      });
      this.waiting.push({
        resolve: (index) => {
          forget();
          resolve(index);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      });
    });
  }

  /** The context to ask the core with, never used before. */
  begin(): Uint8Array {
    this.count += 1;
    const context = Buffer.alloc(this.life.length + 8);
    context.set(this.life);
    context.writeBigUInt64BE(BigInt(this.count), this.life.length);
    this.rounds.set(keyOf(context), { waiters: this.waiting, ticksLeft: this.patienceTicks });
    this.waiting = [];
    return context;
  }

  answer({ index, context }: ReadState): void {
    const round = this.rounds.get(keyOf(context));
    this.rounds.delete(keyOf(context));
    for (const waiter of round?.waiters ?? []) waiter.resolve(BigInt(index));
  }

  tick(late: () => LogtierError): void {
    for (const [key, round] of this.rounds) {
      round.ticksLeft -= 1;
      if (round.ticksLeft > 0) continue;
      this.rounds.delete(key);
      for (const waiter of round.waiters) waiter.reject(late());
    }
  }

  /** No answer to what was asked until now is believed: all of it is asked for in a new round. */
  askAnew(): void {
    const asked = [...this.rounds.values()].flatMap((each) => each.waiters);
    this.rounds.clear();
    this.waiting = [...asked, ...this.waiting];
  }

  /** None of what was asked until now is answered any more. */
  drop(error: LogtierError): void {
    this.askAnew();
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }
}

function keyOf(context: Uint8Array): string {
  return Buffer.from(context).toString('latin1');
}
