// Random appends, crashes, faults and compactions against a model of what was acknowledged.
//
// Checked after every crash: acknowledged entries are all there, in order, unchanged; behind them at most
// what was appended and not answered, a prefix of it without a hole; the hard state never goes back.
import { expect, test } from 'vitest';
import type { OpenedWal } from '../../../../src/metastore/wal/open-wal.ts';
import type { Wal } from '../../../../src/metastore/wal/wal.ts';
import type { WalRecord } from '../../../../src/metastore/wal/wal-record.ts';
import { type Draw, seededDraw } from '../../../support/memory-disk.ts';
import { entry, printed, WalWorld } from '../../../support/wal-world.ts';

const SEEDS = 150;
const LIVES = 6;

class CrashRun {
  readonly draw: Draw;
  readonly world = new WalWorld();
  /** Every entry ever sent that may be in the log, by index. */
  private sent: string[] = [];
  private acknowledged = 0;
  private durableTerm = 0n;
  private sentTerm = 0n;
  private snapshot = 0;

  constructor(seed: number) {
    this.draw = seededDraw(seed);
  }

  async live(): Promise<void> {
    const opened = await this.world.open();
    await this.check(opened);
    const steps = Math.floor(this.draw() * 40);
    const waiting: Promise<void>[] = [];
    for (let step = 0; step < steps; step += 1) waiting.push(...(await this.act(opened.wal)));
    await this.end(opened.wal, waiting);
  }

  private async act(wal: Wal): Promise<Promise<void>[]> {
    const dice = this.draw();
    if (dice < 0.55) return [this.append(wal, 1 + Math.floor(this.draw() * 5))];
    if (dice < 0.65) return [this.raiseTerm(wal)];
    if (dice < 0.7) this.world.clock.tick();
    else if (dice < 0.75) await this.compact(wal);
    else await this.turns(Math.floor(this.draw() * 30));
    return [];
  }

  private async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
  }

  private async append(wal: Wal, count: number): Promise<void> {
    const first = this.sent.length + 1;
    const records = Array.from({ length: count }, (_, at): WalRecord => {
      const index = BigInt(first + at);
      const text = `${index} ${'.'.repeat(Math.floor(this.draw() * 300))}`;
      this.sent.push(`${index}/1 ${text}`);
      return entry(index, text);
    });
    await wal.append(records);
    this.acknowledged = Math.max(this.acknowledged, first + count - 1);
  }

  private async raiseTerm(wal: Wal): Promise<void> {
    this.sentTerm += 1n;
    const term = this.sentTerm;
    await wal.append([{ kind: 'hardState', term, vote: 7n, commit: 0n }]);
    if (term > this.durableTerm) this.durableTerm = term;
  }

  private async compact(wal: Wal): Promise<void> {
    const index = Math.floor(this.draw() * (this.acknowledged + 1));
    if (index <= this.snapshot) return;
    await wal.append([{ kind: 'snapshotMarker', index: BigInt(index), term: 1n }]);
    this.snapshot = index;
    await wal.dropThrough(BigInt(index));
  }

  private async end(wal: Wal, waiting: readonly Promise<void>[]): Promise<void> {
    const settled = Promise.allSettled(waiting);
    const dice = this.draw();
    if (dice < 0.2) await wal.close();
    else if (dice < 0.4) this.world.disk.killProcess();
    else if (dice < 0.6) this.failFrom(this.draw());
    await this.turns(20);
    if (dice >= 0.4 || dice < 0.2) this.world.disk.crash(this.draw);
    await settled;
    this.world.disk.fault = () => undefined;
  }

  /** From now on the disk fails some operations. */
  private failFrom(share: number): void {
    this.world.disk.fault = (operation) => {
      if (operation !== 'write' && operation !== 'sync') return undefined;
      return this.draw() < share ? 'EIO' : undefined;
    };
  }

  private async check({ wal }: OpenedWal): Promise<void> {
    const last = Number(wal.lastIndex);
    expect(last).toBeGreaterThanOrEqual(this.acknowledged);
    expect(last).toBeLessThanOrEqual(this.sent.length);
    this.sent.length = last;
    this.acknowledged = last;
    expect(wal.firstIndex).toBeLessThanOrEqual(BigInt(this.snapshot + 1));
    const seen: string[] = [];
    for (let from = wal.firstIndex; from <= wal.lastIndex;) {
      const some = await wal.read(from, 700);
      seen.push(...printed(some));
      from += BigInt(some.length);
    }
    expect(seen).toEqual(this.sent.slice(Number(wal.firstIndex) - 1));
    const term = wal.hardState?.term ?? 0n;
    expect(term).toBeGreaterThanOrEqual(this.durableTerm);
    expect(term).toBeLessThanOrEqual(this.sentTerm);
    this.durableTerm = term;
    this.sentTerm = term;
  }
}

test(`in ${SEEDS} seeded runs of ${LIVES} crashes no acknowledged entry is lost and none is wrong`, async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const run = new CrashRun(seed);
    try {
      for (let life = 0; life < LIVES; life += 1) await run.live();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}, 60_000);
