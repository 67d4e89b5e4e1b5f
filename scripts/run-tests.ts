// Runs the checks and tests: `check`, `test` (check, then real servers) or `long`.
// The end of the output names what failed, a line each; the last line sums all runs.
// Usage: node --import tsx scripts/run-tests.ts check|test|long
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  countsLine,
  RESULTS_FILE_VARIABLE,
  type TestResults,
} from '../test/support/count-reporter.ts';

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** A vitest run counts its tests; any other step counts only when it fails, as one failure. */
  readonly countsTests: boolean;
}

/** Lanes run side by side, the steps of a lane one after the other: two suit two cores. */
type Phase = readonly (readonly Step[])[];

const NOTHING: TestResults = { counts: { passed: 0, failed: 0, skipped: 0 }, failures: [] };

const CHECK: Phase = [
  [
    tool('generated code is fresh', 'node', ['--import', 'tsx', 'scripts/check-gen.ts']),
    tool('types', 'tsc', ['--incremental', '--tsBuildInfoFile', '.cache/types.tsbuildinfo']),
    tool('lint', 'oxlint', []),
    tool('format', 'oxfmt', ['--check']),
    tool('dead code', 'knip', []),
  ],
  [tests('fast tests', 'fast')],
];

const PHASES: Readonly<Record<string, readonly Phase[]>> = {
  check: [CHECK],
  test: [CHECK, [[tests('tests with real servers', 'slow')]]],
  long: [[[tests('long tests', 'long')]]],
};

const phases = PHASES[process.argv[2] ?? ''];
if (phases === undefined) throw new Error(`usage: run-tests ${Object.keys(PHASES).join('|')}`);
process.exitCode = await runAll(phases);

async function runAll(all: readonly Phase[]): Promise<number> {
  const scratch = fs.mkdtempSync(join(tmpdir(), 'logtier-run-'));
  let total = NOTHING;
  for (const phase of all) {
    const lanes = await Promise.all(phase.map((lane) => runLane(lane, scratch)));
    for (const results of lanes) total = sum(total, results);
  }
  fs.rmSync(scratch, { recursive: true, force: true });
  for (const failure of total.failures) process.stdout.write(`✘ ${failure}\n`);
  process.stdout.write(`${countsLine(total.counts)}\n`);
  return total.counts.failed === 0 && total.counts.passed > 0 ? 0 : 1;
}

async function runLane(lane: readonly Step[], scratch: string): Promise<TestResults> {
  let total = NOTHING;
  for (const step of lane) total = sum(total, await runStep(step, scratch));
  return total;
}

async function runStep(step: Step, scratch: string): Promise<TestResults> {
  const resultsFile = join(scratch, `${step.name.replaceAll(' ', '-')}.json`);
  const startedMs = performance.now();
  const { code, output } = await execute(step, resultsFile);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  // Tests show their output while they run, the tools only when they have something to say.
  process.stdout.write(`${code === 0 ? '✔' : '✘'} ${step.name}, ${seconds} s\n`);
  if (code !== 0 && !step.countsTests) process.stdout.write(`${output}\n`);
  const results =
    step.countsTests && fs.existsSync(resultsFile)
      ? (JSON.parse(fs.readFileSync(resultsFile, 'utf8')) as TestResults)
      : NOTHING;
  if (code === 0 || results.counts.failed > 0) return results;
  const failures = [`${step.name}: exit code ${code}`];
  return sum(results, { counts: { passed: 0, failed: 1, skipped: 0 }, failures });
}

function execute(
  step: Step,
  resultsFile: string,
): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(step.command, step.args, {
    stdio: step.countsTests ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `node_modules/.bin:${process.env['PATH']}`,
      [RESULTS_FILE_VARIABLE]: resultsFile,
    },
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

function tool(name: string, command: string, args: readonly string[]): Step {
  return { name, command, args, countsTests: false };
}

function tests(name: string, project: string): Step {
  return { name, command: 'vitest', args: ['run', '--project', project], countsTests: true };
}

function sum(a: TestResults, b: TestResults): TestResults {
  return {
    counts: {
      passed: a.counts.passed + b.counts.passed,
      failed: a.counts.failed + b.counts.failed,
      skipped: a.counts.skipped + b.counts.skipped,
    },
    failures: [...a.failures, ...b.failures],
  };
}
