// `logtier store audit`: what a store holds beside what the catalog says it holds.
import { LogtierError } from '../base/errors.ts';
import type { StoreCounts, StoreFinding } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { exitCodes } from './exit-code.ts';
import { bytesCell, jsonDocument, printJson } from './printed.ts';
import { printTable, type Column } from './table.ts';

/** Kept for the table; a store with more has one trouble, not many. */
const MOST_FINDINGS = 10_000;

function columns(exact: boolean): Column<StoreFinding>[] {
  return [
    { header: 'FINDING', cell: ({ code }) => code },
    { header: 'BYTES', cell: ({ objectBytes }) => bytesCell(objectBytes, exact), right: true },
    { header: 'OBJECT', cell: ({ objectKey }) => objectKey },
    { header: 'WORDS', cell: ({ text }) => text },
  ];
}

/** The exit code: 3 when something does not fit. */
export async function storeAudit(context: CommandContext, store: string): Promise<number> {
  const { io, calls, signal } = context;
  const findings: StoreFinding[] = [];
  let counts: StoreCounts | undefined;
  let isComplete = false;
  for await (const answer of calls.auditStore({ store }, signal)) {
    findings.push(...answer.findings.slice(0, MOST_FINDINGS - findings.length));
    counts = answer.counts;
    isComplete = answer.complete;
    if (io.isTerminal && counts !== undefined) io.err(`\r\u001B[K${countsText(context, counts)}`);
  }
  if (io.isTerminal) io.err('\n');
  if (counts === undefined || !isComplete)
    throw new LogtierError('STORE_UNAVAILABLE', 'the audit ended before the end of the store');
  context.io.out(auditText(context, findings, counts));
  return counts.findings === 0n ? exitCodes.ok.code : exitCodes.findings.code;
}

function auditText(
  context: CommandContext,
  findings: readonly StoreFinding[],
  counts: StoreCounts,
): string {
  if (context.format === 'json') return printJson(jsonDocument('StoreAudit', findings, { counts }));
  const table = findings.length === 0 ? '' : printTable(columns(context.exactBytes), findings);
  const isCut = BigInt(findings.length) < counts.findings;
  const cut = isCut ? `only the first ${findings.length} findings are shown\n` : '';
  return `${table}${cut}${countsText(context, counts)}\n`;
}

function countsText({ exactBytes }: CommandContext, counts: StoreCounts): string {
  const { objects, objectBytes, partitions, findings } = counts;
  const what = `${objects} objects, ${bytesCell(objectBytes, exactBytes)}`;
  return `${what} of ${partitions} partitions: ${findings === 0n ? 'no' : findings} findings`;
}
