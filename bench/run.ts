// Runs the benchmarks, each in a fresh process: one JSON line a result on standard output, talk on standard error.
// Usage: npm run bench [-- NAME …]   make bench [BENCH=NAME]
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { isBenchLine, type RunBench } from './support/bench-line.ts';

/** Given to the child: the one bench it runs. */
const CHILD_FLAG = '--one';

const [first, name] = process.argv.slice(2);
process.exitCode = first === CHILD_FLAG ? await runHere(name ?? '') : await runAll();

async function runAll(): Promise<number> {
  const known = fs
    .readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.ts') && file !== basename(import.meta.filename))
    .map((file) => basename(file, '.ts'))
    .toSorted();
  const wanted = wantedOf(known);
  let failures = 0;
  for (const bench of wanted) {
    process.stderr.write(`bench ${bench}\n`);
    if (!(await runInChild(bench))) failures += 1;
  }
  return failures === 0 ? 0 : 1;
}

function wantedOf(known: readonly string[]): readonly string[] {
  const named = [...process.argv.slice(2), process.env['BENCH'] ?? ''].filter(
    (text) => text !== '',
  );
  const unknown = named.filter((text) => !known.includes(text));
  if (unknown.length > 0) {
    throw new Error(`no bench ${unknown.join(', ')}; there are: ${known.join(', ')}`);
  }
  return named.length === 0 ? known : named;
}

/** A bench that prints nothing has failed, whatever its exit code says. */
async function runInChild(bench: string): Promise<boolean> {
  const args = ['--expose-gc', '--import', 'tsx', import.meta.filename, CHILD_FLAG, bench];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  let results = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const isResult = line.startsWith('{') && isBenchLine(JSON.parse(line));
    if (isResult) results += 1;
    (isResult ? process.stdout : process.stderr).write(`${line}\n`);
  }
  const code = await ended;
  if (code === 0 && results > 0) return true;
  process.stderr.write(`bench ${bench} failed: exit code ${code}, ${results} results\n`);
  return false;
}

async function runHere(bench: string): Promise<number> {
  const file = join(import.meta.dirname, `${bench}.ts`);
  const module = (await import(pathToFileURL(file).href)) as { readonly run: RunBench };
  for await (const line of module.run()) process.stdout.write(`${JSON.stringify(line)}\n`);
  return 0;
}
