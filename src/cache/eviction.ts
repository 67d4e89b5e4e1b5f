// Which chunk makes room: S3-FIFO (Yang et al., SOSP 2023), made blind to one pass that reads a chunk in many steps.
//
//   new ──► small (a tenth) ──► evicted, remembered in ghost ──► comes again ──► main
//              └── used twice ──────────────────────────────────────────────────► main ──► second chances ──► evicted
//
// A scan goes through small only: it cannot flush what main holds.

/** Share of the capacity that new chunks must prove themselves in. */
const SMALL_SHARE = 0.1;
/** Uses, apart from each other, that bring a chunk from small to main. */
const PROMOTING_USES = 2;
/** More uses earn no more chances in main. */
const MOST_USES = 3;

interface Entry {
  uses: number;
  /** Admissions counted when it last earned a use: steps of one pass over a chunk count once. */
  usedAt: number;
  /** Victims must not be read right now. */
  isBusy: () => boolean;
}

export interface RankedKey {
  readonly key: string;
  readonly isMain: boolean;
}

export class Eviction {
  private readonly capacity: number;
  private readonly smallTarget: number;
  /** Uses within so many admissions are one use. */
  private readonly passWindow: number;
  private readonly small = new Map<string, Entry>();
  private readonly main = new Map<string, Entry>();
  private readonly ghost = new Set<string>();
  private admissions = 0;

  /** @param capacity most keys kept, at least 1. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.smallTarget = Math.max(1, Math.floor(capacity * SMALL_SHARE));
    this.passWindow = Math.max(1, Math.floor(this.smallTarget / 4));
  }

  get size(): number {
    return this.small.size + this.main.size;
  }

  has(key: string): boolean {
    return this.small.has(key) || this.main.has(key);
  }

  /** A new key; the caller has made room. */
  admit(key: string, isBusy: () => boolean): void {
    this.admissions += 1;
    const entry = { uses: 0, usedAt: this.admissions, isBusy };
    const queue = this.ghost.delete(key) ? this.main : this.small;
    queue.set(key, entry);
  }

  /** A key that was kept before a restart, in the order of `ranked`. */
  restore({ key, isMain }: RankedKey, isBusy: () => boolean): void {
    const queue = isMain ? this.main : this.small;
    queue.set(key, { uses: 0, usedAt: 0, isBusy });
  }

  touch(key: string): void {
    const entry = this.small.get(key) ?? this.main.get(key);
    if (entry === undefined || this.admissions - entry.usedAt < this.passWindow) return;
    entry.usedAt = this.admissions;
    entry.uses = Math.min(MOST_USES, entry.uses + 1);
  }

  remove(key: string): void {
    if (!this.small.delete(key)) this.main.delete(key);
  }

  /** Removes and answers the key that makes room; undefined when every one is busy. */
  evict(): string | undefined {
    // Each step gives up one use, one busy look or one place in small, so a fixed number of them is enough.
    let steps = this.size * (MOST_USES + 2);
    while (steps > 0) {
      steps -= 1;
      const fromSmall =
        this.small.size > 0 && (this.small.size >= this.smallTarget || this.main.size === 0);
      const victim = fromSmall ? this.stepSmall() : this.stepMain();
      if (victim !== undefined) return victim;
    }
    return undefined;
  }

  /** Oldest first, for the index that survives a restart. */
  ranked(): RankedKey[] {
    return [
      ...Array.from(this.main.keys(), (key) => ({ key, isMain: true })),
      ...Array.from(this.small.keys(), (key) => ({ key, isMain: false })),
    ];
  }

  private stepSmall(): string | undefined {
    for (const [key, entry] of this.small) {
      this.small.delete(key);
      if (entry.uses >= PROMOTING_USES) {
        this.main.set(key, { ...entry, uses: 0 });
        return undefined;
      }
      if (entry.isBusy()) {
        this.main.set(key, { ...entry, uses: 0 });
        return undefined;
      }
      this.remember(key);
      return key;
    }
    return undefined;
  }

  private stepMain(): string | undefined {
    for (const [key, entry] of this.main) {
      this.main.delete(key);
      if (entry.uses === 0 && !entry.isBusy()) return key;
      this.main.set(key, { ...entry, uses: Math.max(0, entry.uses - 1) });
      return undefined;
    }
    return undefined;
  }

  private remember(key: string): void {
    this.ghost.add(key);
    if (this.ghost.size <= this.capacity) return;
    for (const oldest of this.ghost) {
      this.ghost.delete(oldest);
      return;
    }
  }
}
