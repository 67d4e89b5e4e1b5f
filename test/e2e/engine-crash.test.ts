import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { openRocksdbEngine } from '../../src/metastore/engine/rocksdb-engine.ts';
import { bytes, text } from '../contract/kv-engine.ts';

const CHILD = join(import.meta.dirname, 'engine-crash.child.ts');
const KILLS = 6;

/** Lets a child write from row `start` until it said `untilLine` rows, then kill -9; the last row it said. */
async function writeUntilKilled(directory: string, start: number, rows: number): Promise<number> {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory, String(start)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = start - 1;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last >= start + rows) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
  return last;
}

/** The row in `applied`, after checking that exactly the rows up to it are there. */
async function checkPrefix(directory: string): Promise<number> {
  const engine = await openRocksdbEngine(directory);
  try {
    const applied = Number(text(await engine.get(bytes('applied'))));
    const keys: string[] = [];
    for await (const { key } of engine.range({ from: bytes('row'), to: bytes('twin z') })) {
      keys.push(text(key)!);
    }
    const rows = Array.from(
      { length: applied + 1 },
      (_, at) => `row ${String(at).padStart(9, '0')}`,
    );
    expect(keys).toEqual([...rows, `twin ${applied}`]);
    return applied;
  } finally {
    await engine.close();
  }
}

test('killed at any moment, the engine comes back at a batch border without a hole', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'engine-crash-'));
  try {
    let start = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const said = await writeUntilKilled(join(directory, 'db'), start, 700 + kill * 333);
      const applied = await checkPrefix(join(directory, 'db'));
      expect(applied).toBeGreaterThanOrEqual(said);
      start = applied + 1;
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
