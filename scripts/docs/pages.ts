// The documents that are printed from code: file name → text.
import { printCli } from './cli.ts';
import { printFindings, printWaitingReasons } from './closed-sets.ts';
import { printConfiguration } from './configuration.ts';
import { printErrors } from './errors.ts';
import { printMetrics } from './metrics.ts';

/** @param root The repository's directory. */
export async function printedPages(root: string): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['cli.md', printCli()],
    ['configuration.md', printConfiguration()],
    ['errors.md', printErrors()],
    ['findings.md', printFindings()],
    ['metrics.md', await printMetrics(root)],
    ['waiting-reasons.md', printWaitingReasons()],
  ]);
}
