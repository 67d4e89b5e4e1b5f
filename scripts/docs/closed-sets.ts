// docs/waiting-reasons.md and docs/findings.md: two closed sets of codes, each with its words.
import { operatorFindingCodes } from '../../src/operator/findings.ts';
import { storeFindingCodes } from '../../src/operator/store-audit.ts';
import { findingCodes } from '../../src/uploader/partition-state.ts';
import { waitingReasons } from '../../src/uploader/waiting-reason.ts';
import { code, markdownTable, pageHead } from './markdown.ts';

export function printWaitingReasons(): string {
  return (
    pageHead('Waiting reasons', '`src/uploader/waiting-reason.ts`') +
    `
\`logtier why TOPIC:PARTITION\` names, for each local segment that is not remote yet, exactly one of these reasons and
since when it holds. There is no other state a segment can wait in.

${setTable('reason', waitingReasons)}`
  );
}

export function printFindings(): string {
  return (
    pageHead(
      'Findings',
      '`src/uploader/partition-state.ts`, `src/operator/findings.ts`, `src/operator/store-audit.ts`',
    ) +
    `
A finding is something an operator should know: it stays until its cause is gone. \`logtier inventory describe\` and
\`logtier why\` print the findings of a partition, each with what is special about it.

${setTable('finding', { ...findingCodes, ...operatorFindingCodes })}
\`logtier store audit\` compares every object of a store with the catalog, and changes nothing:

${setTable('finding', storeFindingCodes)}`
  );
}

function setTable(header: string, set: Readonly<Record<string, string>>): string {
  return markdownTable<readonly [string, string]>(
    [
      { header, cell: ([name]) => code(name) },
      { header: 'meaning', cell: ([, words]) => words },
    ],
    Object.entries(set),
  );
}
