// `logtier doctor`: everything that can be checked from here, each with what to do about it.
import type { Diagnosis } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { exitCodes } from './exit-code.ts';
import { jsonDocument, printJson } from './printed.ts';
import { printTable } from './table.ts';

/** Exit code 3 when a check fails; warnings alone do not. */
export async function doctor(context: CommandContext): Promise<number> {
  const { checks } = await context.calls.diagnose({}, context.signal);
  if (context.format === 'json') context.io.out(printJson(jsonDocument('DiagnosisList', checks)));
  else {
    context.io.out(
      printTable<Diagnosis>(
        [
          { header: 'OUTCOME', cell: ({ outcome }) => outcome },
          { header: 'CHECK', cell: ({ check }) => check },
          { header: 'WORDS', cell: ({ text }) => text },
          { header: 'HINT', cell: ({ hint }) => hint },
        ],
        checks,
      ),
    );
  }
  const failed = checks.some(({ outcome }) => outcome === 'fail');
  return failed ? exitCodes.findings.code : exitCodes.ok.code;
}
