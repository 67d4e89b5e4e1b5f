// The limit of every durable log on this disk: fdatasyncs a second, each after 256 B appended to a file
// that was written with zeros before.
//
//   npx tsx bench/limits/fdatasync.ts [directory] [seconds]
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const RECORD_BYTES = 256;
const FILE_BYTES = 16 * 2 ** 20;

export interface FdatasyncRate {
  readonly perSecond: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** Measures in a new file under `directory`, which it removes. One append is in flight at a time. */
export async function measureFdatasync(directory: string, ms: number): Promise<FdatasyncRate> {
  const scratch = await mkdtemp(join(directory, 'fdatasync-'));
  const file = await open(join(scratch, 'file'), 'wx+');
  try {
    await file.write(Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
    await file.sync();
    const record = Buffer.alloc(RECORD_BYTES, 0x5a);
    const took: number[] = [];
    const begun = performance.now();
    for (let now = begun; now < begun + ms;) {
      const position = (took.length * RECORD_BYTES) % FILE_BYTES;
      await file.write(record, 0, RECORD_BYTES, position);
      await file.datasync();
      const done = performance.now();
      took.push(done - now);
      now = done;
    }
    return rateOf(took, performance.now() - begun);
  } finally {
    await file.close();
    await rm(scratch, { recursive: true });
  }
}

function rateOf(took: readonly number[], ms: number): FdatasyncRate {
  const sorted = took.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return { perSecond: (took.length / ms) * 1000, medianMs: at(0.5), p99Ms: at(0.99) };
}

if (resolve(process.argv[1] ?? '') === import.meta.filename) {
  const { perSecond, medianMs, p99Ms } = await measureFdatasync(
    process.argv[2] ?? tmpdir(),
    Number(process.argv[3] ?? 5) * 1000,
  );
  const times = `median ${medianMs.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
  process.stdout.write(`${perSecond.toFixed(0)} fdatasync/s of ${RECORD_BYTES} B, ${times}\n`);
}
