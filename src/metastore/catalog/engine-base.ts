import type { KvRange, KvReader } from '../engine/kv-engine.ts';
import { type DraftBase, type DraftEntry, nameOf } from './draft.ts';

/**
 * The engine under a batch of entries, with the rows that the batch will surely ask for read in one hop.
 * Good for one batch: it does not see what is written afterwards.
 */
export class EngineBase implements DraftBase {
  private readonly reader: KvReader;
  private readonly known = new Map<string, Uint8Array | undefined>();

  constructor(reader: KvReader) {
    this.reader = reader;
  }

  async prefetch(keys: readonly Uint8Array[]): Promise<void> {
    const missing = new Map<string, Uint8Array>();
    for (const key of keys) {
      const name = nameOf(key);
      if (!this.known.has(name)) missing.set(name, key);
    }
    const values = await this.reader.getMany([...missing.values()]);
    [...missing.keys()].forEach((name, at) => this.known.set(name, values[at]));
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.find(key, nameOf(key));
  }

  async find(key: Uint8Array, name: string): Promise<Uint8Array | undefined> {
    if (this.known.has(name)) return this.known.get(name);
    const value = await this.reader.get(key);
    this.known.set(name, value);
    return value;
  }

  async entries(range: KvRange): Promise<readonly DraftEntry[]> {
    const { limit, ...unlimited } = range;
    const bounded = limit === undefined || limit === Infinity ? unlimited : { ...unlimited, limit };
    const entries: DraftEntry[] = [];
    for await (const entry of this.reader.range(bounded)) entries.push(entry);
    return entries;
  }
}
