import type { LogLevel } from '../describe-trace.ts';

/** The log and the words of a script's commands, as one text. */
export class Output {
  static readonly levels: readonly string[] = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];
  /** Place in `levels`; at NONE even the commands are silent. */
  level = 0;
  #text = '';

  get isQuiet(): boolean {
    return this.level === Output.levels.length - 1;
  }

  write(text: string): void {
    if (!this.isQuiet) this.#text += text;
  }

  log(level: LogLevel, text: string): void {
    if (this.level <= Output.levels.indexOf(level)) this.write(`${level} ${text}\n`);
  }

  /** Sets the level by its name; a name that is none is an error. */
  setLevel(name: string): void {
    const level = Output.levels.indexOf(name.toUpperCase());
    if (level < 0) throw new Error(`log levels must be either of ${Output.levels.join(' ')}`);
    this.level = level;
  }

  indented(work: () => void): void {
    const before = this.#text;
    this.#text = '';
    work();
    const lines = this.#text.replace(/\n$/, '').split('\n');
    const inner = this.#text === '' ? '' : lines.map((line) => `  ${line}\n`).join('');
    this.#text = before + inner;
  }

  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}
