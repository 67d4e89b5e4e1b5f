// What clients saw, in the order in which they saw it: the input of the checker (a line of JSON an operation).
import * as fs from 'node:fs/promises';

export type Operation =
  /** Claims the partition for the client's broker. */
  | { readonly op: 'claim'; readonly broker: number; readonly epoch: number }
  /** Changes of a segment under the claim that `token` names. */
  | { readonly op: 'start' | 'finish' | 'abort'; readonly segment: number; readonly token: number }
  | { readonly op: 'read-claim' }
  | { readonly op: 'read-segment'; readonly segment: number };

export type Outcome =
  | { readonly outcome: 'ok'; readonly token?: number }
  /** Token 0: never claimed. */
  | {
      readonly outcome: 'ok';
      readonly token: number;
      readonly broker: number;
      readonly epoch: number;
    }
  /** Empty: there is no record. */
  | { readonly outcome: 'ok'; readonly state: string }
  /** By value, so nothing changed. */
  | { readonly outcome: 'refused'; readonly code: string }
  /** It was applied, or will be, or never. */
  | { readonly outcome: 'unknown' };

interface Place {
  readonly client: number;
  readonly partition: number;
}

/** `call` and `return` count what happened in this process: a clock may tell two moments as one. */
export type HistoryLine = Place &
  Operation &
  Outcome & { readonly call: number; readonly return?: number };

export class History {
  private readonly told: HistoryLine[] = [];
  private moment = 0;

  get lines(): readonly HistoryLine[] {
    return this.told;
  }

  /** Undefined is an outcome of what surely had no effect and told nothing: no line is written. */
  async record(
    place: Place,
    operation: Operation,
    run: () => Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    this.moment += 1;
    const call = this.moment;
    const outcome = await run();
    this.moment += 1;
    const end = outcome?.outcome === 'unknown' ? {} : { return: this.moment };
    if (outcome !== undefined) this.told.push({ ...place, ...operation, ...outcome, call, ...end });
    return outcome;
  }

  count(outcome: Outcome['outcome']): number {
    return this.told.filter((line) => line.outcome === outcome).length;
  }
}

export async function writeHistory(file: string, lines: readonly HistoryLine[]): Promise<void> {
  await fs.writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
