// `logtier tasks`: copies in flight, and the delete queue with its due times and failures.
import type { TaskLine, WatchTasksResponse } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { bytesCell, durationCell, jsonDocument, printJson, printJsonLine } from './printed.ts';
import { printTable, type Column } from './table.ts';

function columns(exact: boolean, atMs: bigint): Column<TaskLine>[] {
  const right = true;
  return [
    { header: 'KIND', cell: ({ kind }) => kind },
    { header: 'TOPIC', cell: ({ topic }) => topic },
    { header: 'PART', cell: ({ partition }) => String(partition), right },
    { header: 'START', cell: ({ startOffset }) => String(startOffset), right },
    { header: 'STEP', cell: ({ step }) => step },
    { header: 'DONE', cell: (task) => doneCell(task, exact), right },
    {
      header: 'RATE',
      cell: ({ bytesPerSecond }) => `${bytesCell(bytesPerSecond, exact)}/s`,
      right,
    },
    { header: 'LEFT', cell: ({ etaMs }) => durationCell(etaMs), right },
    { header: 'DUE IN', cell: ({ dueMs }) => durationCell(dueMs && dueMs - atMs), right },
    { header: 'TRY', cell: ({ attempt }) => String(attempt), right },
    { header: 'LAST ERROR', cell: ({ error }) => error },
  ];
}

function doneCell({ doneBytes, totalBytes }: TaskLine, exact: boolean): string {
  const percent = totalBytes === 0n ? 100n : (doneBytes * 100n) / totalBytes;
  return `${bytesCell(doneBytes, exact)} of ${bytesCell(totalBytes, exact)} (${percent}%)`;
}

/** Once, or with `watch` until Ctrl-C: redrawn on a terminal, a line of JSON each time elsewhere. */
export async function tasks(context: CommandContext, watch: boolean): Promise<void> {
  for await (const answer of context.calls.watchTasks({}, context.signal)) {
    context.io.out(tasksText(context, answer, watch));
    if (!watch) return;
  }
}

function tasksText(context: CommandContext, answer: WatchTasksResponse, watch: boolean): string {
  const { tasks: lines, queued, atMs, moreErasures, erasuresUnknown } = answer;
  if (context.format === 'json' || (watch && !context.io.isTerminal)) {
    const more = { queued, atMs, moreErasures, erasuresUnknown };
    const document = jsonDocument('TaskList', lines, more);
    return watch ? printJsonLine(document) : printJson(document);
  }
  const clear = watch ? '\u001B[H\u001B[2J' : '';
  const notes = [
    `${queued} queued`,
    ...(moreErasures ? ['more objects wait to be erased than are shown'] : []),
    ...(erasuresUnknown === '' ? [] : [`the delete queue is not known: ${erasuresUnknown}`]),
  ];
  const table = printTable(columns(context.exactBytes, atMs), lines);
  return `${clear}${table}${notes.join('\n')}\n`;
}
