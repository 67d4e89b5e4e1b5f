// Prints the closing count of a run as `N passed, N failed` alone on a line;
// under scripts/run-tests.ts, which sums several runs, hands the results over in a file instead.
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface TestResults {
  readonly counts: TestCounts;
  /** A line each: where it stands, its name, the first line of its first error. */
  readonly failures: readonly string[];
}

/** Names the file that receives the results as JSON. */
export const RESULTS_FILE_VARIABLE = 'LOGTIER_TEST_RESULTS';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const results = resultsOf(modules, unhandledErrors);
    const file = process.env[RESULTS_FILE_VARIABLE];
    if (file === undefined) process.stdout.write(`${countsLine(results.counts)}\n`);
    else writeFileSync(file, JSON.stringify(results));
  }
}

export function countsLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** An error outside of any test counts as one failed test: a red run never says `0 failed`. */
function resultsOf(
  modules: readonly TestModule[],
  unhandledErrors: readonly SerializedError[],
): TestResults {
  let passed = 0;
  let skipped = 0;
  const failures = unhandledErrors.map((error) => failure('outside of any test', error));
  for (const module of modules) {
    const file = module.relativeModuleId;
    failures.push(...module.errors().map((error) => failure(file, error)));
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'failed') failures.push(failure(`${file} > ${test.fullName}`, errors[0]));
      else skipped += 1;
    }
  }
  return { counts: { passed, failed: failures.length, skipped }, failures };
}

function failure(where: string, error: SerializedError | undefined): string {
  return `${where}: ${error?.message.split('\n', 1)[0] ?? 'no error'}`;
}
