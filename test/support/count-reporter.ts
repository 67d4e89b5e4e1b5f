// Prints the closing count of a run as `N passed, N failed` alone on a line;
// under scripts/run-tests.ts, which sums several runs, hands it over in a file instead.
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Names the file that receives the counts as JSON. */
export const COUNTS_FILE_VARIABLE = 'LOGTIER_TEST_COUNTS';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = countTests(modules, unhandledErrors.length);
    const file = process.env[COUNTS_FILE_VARIABLE];
    if (file === undefined) process.stdout.write(`${countsLine(counts)}\n`);
    else writeFileSync(file, JSON.stringify(counts));
  }
}

export function countsLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** An error outside of any test counts as one failed test: a red run never says `0 failed`. */
function countTests(modules: readonly TestModule[], unhandledErrors: number): TestCounts {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  for (const module of modules) {
    failed += module.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'failed') failed += 1;
      else skipped += 1;
    }
  }
  return { passed, failed, skipped };
}
