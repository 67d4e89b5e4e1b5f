// Progress of long work: one line on a terminal, redrawn; nothing when output is piped.
import { printBytes, printDuration } from '../base/units.ts';
import type { CliIo } from './command-context.ts';

/** Between two redraws. */
const REDRAW_MS = 200;

export class Progress {
  private readonly io: CliIo;
  private readonly what: string;
  private readonly totalBytes: number;
  private readonly startedMs: number;
  private drawnMs = 0;
  private doneBytes = 0;

  constructor(io: CliIo, what: string, totalBytes: number) {
    this.io = io;
    this.what = what;
    this.totalBytes = totalBytes;
    this.startedMs = io.wallMs();
  }

  advance(bytes: number): void {
    this.doneBytes += bytes;
    const nowMs = this.io.wallMs();
    if (!this.io.isTerminal || nowMs - this.drawnMs < REDRAW_MS) return;
    this.drawnMs = nowMs;
    this.io.err(`\r\u001B[K${this.line(nowMs)}`);
  }

  done(): void {
    if (this.io.isTerminal) this.io.err(`\r\u001B[K${this.line(this.io.wallMs())}\n`);
  }

  private line(nowMs: number): string {
    const seconds = Math.max(nowMs - this.startedMs, 1) / 1000;
    const rate = this.doneBytes / seconds;
    const left = Math.max(0, this.totalBytes - this.doneBytes);
    const percent =
      this.totalBytes === 0 ? 100 : Math.floor((this.doneBytes / this.totalBytes) * 100);
    const eta = rate > 0 && left > 0 ? `, ${printDuration((left / rate) * 1000)} left` : '';
    return `${this.what} ${printBytes(this.doneBytes)} of ${printBytes(this.totalBytes)} (${percent}%), ${printBytes(rate)}/s${eta}`;
  }
}
