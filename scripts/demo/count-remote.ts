// How many segments are remote, asked twice: the service counts, and the store's directory is looked at.
import * as fs from 'node:fs/promises';

const SEGMENT_FILE = '.segment';

export async function countObjects(storeDirectory: string): Promise<number> {
  const entries = await fs.readdir(storeDirectory, { recursive: true });
  return entries.filter((path) => path.endsWith(SEGMENT_FILE)).length;
}

/** @param inventory what `logtier -o json inventory ls` printed. */
export function countInInventory(inventory: string): number {
  const { items } = JSON.parse(inventory) as {
    readonly items: readonly { readonly remoteSegments: number | string }[];
  };
  return items.reduce((sum, line) => sum + Number(line.remoteSegments), 0);
}
