// The only door to chance.
import { randomFillSync } from 'node:crypto';

export interface Random {
  /** `count` fresh random bytes. */
  bytes(count: number): Uint8Array;
  /** A draw from [0, 1). */
  share(): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
  share: () => Math.random(),
};
