// Plain words on stderr, with the time since the start; stdout is for the one line of the result.
const SAY_EVERY_MS = 2_000;

export class Narrator {
  readonly #startedMs = performance.now();
  #saidMs = -Infinity;

  say(words: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0).padStart(4);
    process.stderr.write(`${seconds} s  ${words}\n`);
  }

  /** As `say`, for what changes all the time: most of it is left out. */
  progress(words: () => string): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidMs < SAY_EVERY_MS) return;
    this.#saidMs = nowMs;
    this.say(`      ${words()}`);
  }

  /** Text of others, such as a table. */
  show(text: string): void {
    process.stderr.write(`\n${text}\n`);
  }
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

/** Bytes a second since it was made. */
export class Rate {
  readonly #startedMs = performance.now();

  words(bytes: number): string {
    const seconds = Math.max(0.001, (performance.now() - this.#startedMs) / 1000);
    return `${mib(bytes / seconds)}/s`;
  }
}
