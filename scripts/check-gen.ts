// Fails when src/gen is not what `npm run gen` would print from proto/ now.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const fresh = fs.mkdtempSync(join(tmpdir(), 'logtier-gen-'));
try {
  run('buf', ['generate', '--output', fresh]);
  run('diff', ['--recursive', '--brief', join(fresh, 'src/gen'), 'src/gen']);
} finally {
  fs.rmSync(fresh, { recursive: true, force: true });
}

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status === 0) return;
  process.stdout.write(`${command} says no: run \`npm run gen\` and commit src/gen\n`);
  process.exitCode = 1;
}
