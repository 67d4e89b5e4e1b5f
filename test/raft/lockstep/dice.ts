/** Seeded draws (mulberry32): the same seed, the same run, on every machine. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, end). */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  /** A whole number in [start, end). */
  between(start: number, end: number): number {
    return start + this.below(end - start);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of `things`, which holds at least one. */
  oneOf<T>(things: readonly [T, ...T[]]): T {
    return things[this.below(things.length)] ?? things[0];
  }

  some<T>(things: readonly T[]): T | undefined {
    return things[this.below(things.length)];
  }
}
