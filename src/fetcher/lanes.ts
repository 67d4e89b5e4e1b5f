// Reads that wait for the object store stand in lanes of their own: what is cached passes them by (P5).
import { Places } from '../cache/places.ts';

/** Readers of one partition that may wait in line; more are refused. */
const LONGEST_LINE = 1_000;

interface Lane {
  readonly places: Places;
  users: number;
}

/** So many at once for each key; a key without users costs nothing. */
export class Lanes {
  private readonly placesEach: number;
  private readonly lanes = new Map<string, Lane>();

  constructor(placesEach: number) {
    this.placesEach = placesEach;
  }

  async within<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const lane = this.lanes.get(key) ?? {
      places: new Places(this.placesEach, LONGEST_LINE),
      users: 0,
    };
    this.lanes.set(key, lane);
    lane.users += 1;
    try {
      const leave = await lane.places.take(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    } finally {
      lane.users -= 1;
      if (lane.users === 0) this.lanes.delete(key);
    }
  }
}
