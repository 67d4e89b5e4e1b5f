// One side of the slot file, as its own process: `writer DIRECTORY` refills slots for ever, `reader DIRECTORY` reads
// them by position, as processes without an index do (safety rule 18). A line a few reads: right, changed, wrong.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheMetrics } from '../../src/cache/metrics.ts';
import { DiskTier } from '../../src/cache/disk-tier.ts';
import { SLOT_BYTES, SlotFile } from '../../src/cache/slot-file.ts';
import { decodeHeader } from '../../src/cache/slot-header.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { chunkOf, type Chunk } from '../support/cache-world.ts';
import { pauseMs } from '../support/testbeds/processes.ts';

const SLOTS = 4;
const READS_A_LINE = 5;

/** Twice as many as there are slots and more, of sizes that overlap each other's ends. */
const chunks: readonly Chunk[] = Array.from({ length: 10 }, (_, number) =>
  chunkOf(number, number * 3, (1 + (number % 4)) * 2 ** 20 - number * 12),
);

async function write(directory: string): Promise<void> {
  const tier = await DiskTier.open(
    {
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      metrics: createMetrics().live(cacheMetrics),
    },
    { directory, sizeBytes: SLOTS * SLOT_BYTES },
    300,
    new AbortController().signal,
  );
  if (tier === undefined) throw new Error('the disk tier is off');
  const putOne = async (): Promise<void> => {
    const { ref, bytes } = chunks[Math.floor(Math.random() * chunks.length)]!;
    await tier.put(ref, bytes);
    await pauseMs(0); // a put of what is there already waits for nothing
  };
  while (tier.works) await Promise.all([putOne(), putOne()]);
  throw new Error('the disk tier turned itself off');
}

async function openSlots(directory: string): Promise<SlotFile> {
  for (;;) {
    const names = await readdir(directory).catch(() => []);
    const name = names.find((found) => found.endsWith('.slots'));
    if (name !== undefined) {
      const file = await nodeDisk.open(join(directory, name), 'read');
      return new SlotFile(file, await file.stat(), Buffer.alloc(16));
    }
    await pauseMs(10);
  }
}

type Outcome = 'right' | 'changed' | 'wrong' | 'empty';

/** Header, data into a buffer of its own, header again: only then are the bytes looked at. */
async function readSlot(file: SlotFile, slot: number): Promise<Outcome> {
  const header = await file.readHeader(slot);
  const ref = decodeHeader(header);
  if (ref === undefined) return 'empty';
  const into = Buffer.alloc(ref.bytes);
  if (!(await file.read(slot, header, 0, into))) return 'changed';
  const named = chunks.find(
    (chunk) => chunk.ref.segmentId === ref.segmentId && chunk.ref.chunk === ref.chunk,
  );
  return named?.bytes.equals(into) === true ? 'right' : 'wrong';
}

async function read(directory: string): Promise<void> {
  const file = await openSlots(directory);
  const counts = { right: 0, changed: 0, wrong: 0, empty: 0 };
  for (let reads = 1; ; reads += 1) {
    counts[await readSlot(file, reads % SLOTS)] += 1;
    if (reads % READS_A_LINE === 0) process.stdout.write(`${JSON.stringify(counts)}\n`);
  }
}

const [role, directory = ''] = process.argv.slice(2);
await (role === 'writer' ? write(directory) : read(directory));
