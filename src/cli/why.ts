// `logtier why`: each closed local segment, its state, since when, and what blocks it.
import type { SegmentExplanation } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { findingsText } from './inventory.ts';
import { parsePartitionName } from './partition-name.ts';
import { agoCell, bytesCell, durationCell, jsonDocument, printJson } from './printed.ts';
import { printTable, type Column } from './table.ts';

function columns(exact: boolean, nowMs: number): Column<SegmentExplanation>[] {
  const right = true;
  return [
    { header: 'PART', cell: (segment) => String(segment.partition), right },
    { header: 'START', cell: (segment) => String(segment.startOffset), right },
    { header: 'END', cell: endCell, right },
    { header: 'BYTES', cell: (segment) => bytesCell(segment.logBytes, exact), right },
    { header: 'STATE', cell: stateCell },
    { header: 'SINCE', cell: (segment) => agoCell(segment.sinceMs, nowMs) },
    { header: 'HEAD-ROOM', cell: (segment) => durationCell(segment.headroomMs), right },
    { header: 'REASON', cell: (segment) => segment.reason || '-' },
    { header: 'WORDS', cell: (segment) => segment.words },
  ];
}

function endCell(segment: SegmentExplanation): string {
  return segment.state === 'active' ? '-' : String(segment.nextOffset);
}

function stateCell({ state, copiedBytes, logBytes }: SegmentExplanation): string {
  if (copiedBytes === undefined || logBytes === 0n) return state;
  return `${state} ${(copiedBytes * 100n) / logBytes}%`;
}

export async function why(context: CommandContext, name: string): Promise<void> {
  const answer = await context.calls.explain(parsePartitionName(name), context.signal);
  if (context.format === 'json') {
    const { findings } = answer;
    context.io.out(
      printJson(jsonDocument('SegmentExplanationList', answer.segments, { findings })),
    );
    return;
  }
  const nowMs = context.io.wallMs();
  context.io.out(printTable(columns(context.exactBytes, nowMs), answer.segments));
  context.io.out(`\n${findingsText(answer.findings, nowMs)}`);
}
