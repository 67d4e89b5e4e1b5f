// `logtier tasks`: copies and erasures in flight, with rate and time left.
import type { TaskLine, WatchTasksResponse } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { bytesCell, durationCell, jsonDocument, printJson, printJsonLine } from './printed.ts';
import { printTable, type Column } from './table.ts';

function columns(exact: boolean): Column<TaskLine>[] {
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
    { header: 'TRY', cell: ({ attempt }) => String(attempt), right },
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
  const { queued, atMs } = answer;
  if (watch && (context.format === 'json' || !context.io.isTerminal)) {
    return printJsonLine(jsonDocument('TaskList', answer.tasks, { queued, atMs }));
  }
  if (context.format === 'json')
    return printJson(jsonDocument('TaskList', answer.tasks, { queued, atMs }));
  const clear = watch ? '\u001B[H\u001B[2J' : '';
  return `${clear}${printTable(columns(context.exactBytes), answer.tasks)}${queued} queued\n`;
}
