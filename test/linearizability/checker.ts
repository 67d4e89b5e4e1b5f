// The checker of histories: porcupine with a model of one partition's claim and segments.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goBinary } from '../support/testbeds/go-module.ts';
import { runToEnd } from '../support/testbeds/processes.ts';
import { type HistoryLine, writeHistory } from './history.ts';

export function checkerBinary(): Promise<string> {
  return goBinary({
    name: 'linearizability-checker',
    directory: fileURLToPath(new URL('checker', import.meta.url)),
    patched: {
      module: { path: 'github.com/anishathalye/porcupine', version: 'v1.3.1' },
      edits: [],
    },
  });
}

/** `linearizable`, or fails with what has no order. The history, and then a picture of it, stay in `directory`. */
export async function checkHistory(
  directory: string,
  lines: readonly HistoryLine[],
): Promise<string> {
  const file = join(directory, 'history.jsonl');
  await writeHistory(file, lines);
  const verdict = await runToEnd({
    name: `checker ${file}`,
    command: await checkerBinary(),
    args: [file],
    logFile: join(directory, 'checker.log'),
  });
  return verdict.trim();
}
