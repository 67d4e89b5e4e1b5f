// Runs inside a mount namespace of its own, on a file system of a few MiB: a cache on a disk that is really full.
import { readdir, stat } from 'node:fs/promises';
import { nodeDisk } from '../../src/platform/disk.ts';
import { CacheWorld, chunkOf } from '../support/cache-world.ts';

const dir = process.argv[2] ?? '';
const slots = Number(process.argv[3]);
const world = await CacheWorld.open(nodeDisk, { slots, dir });
const chunks = Array.from({ length: 12 }, (_, number) => chunkOf(1, number, 3_000_000));
let right = 0;
for (let round = 0; round < 2; round += 1) {
  for (const chunk of chunks) if ((await world.read(chunk)).equals(chunk.bytes)) right += 1;
}
await world.cache.stop();
const names = (await readdir(dir)).filter((name) => name.includes('.slots'));
const sizes = await Promise.all(names.map(async (name) => (await stat(`${dir}/${name}`)).size));
process.stdout.write(JSON.stringify({ right, sizes, errors: world.errors().length }));
