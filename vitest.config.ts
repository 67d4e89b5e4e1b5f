import { defineConfig } from 'vitest/config';

// fast: what every `check` runs. slow: real servers and long simulations, one file at a time. long: nightly.
export default defineConfig({
  test: {
    reporters: ['default', './test/support/count-reporter.ts'],
    passWithNoTests: false,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/{unit,contract,tidy,golden}/**/*.test.ts'],
          // Half the CPU: modules are loaded once a worker, not once a file. Ours keep no state between tests.
          isolate: false,
          testTimeout: 60_000, // shared machines stall; a test that needs long here is a bug all the same
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'slow',
          include: ['test/{e2e,sim}/**/*.test.ts'],
          exclude: ['**/*.long.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000, // a bound for a hang: nothing here is slow enough to come near it
          hookTimeout: 600_000, // the first run on a machine fetches and builds the servers
        },
      },
      {
        test: {
          name: 'long',
          include: ['test/{e2e,sim}/**/*.long.test.ts'],
          fileParallelism: false,
          testTimeout: 3_600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
