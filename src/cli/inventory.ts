// `logtier inventory ls` and `inventory describe`: what lies where.
import type {
  DescribePartitionResponse,
  Finding,
  PartitionLine,
} from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { parseOnePartition, parsePartitionName } from './partition-name.ts';
import {
  agoCell,
  bytesCell,
  durationCell,
  jsonDocument,
  offsetCell,
  printJson,
} from './printed.ts';
import { printSection, printTable, type Column } from './table.ts';

function columns(exact: boolean): Column<PartitionLine>[] {
  const right = true;
  return [
    { header: 'TOPIC', cell: (line) => line.topic },
    { header: 'PART', cell: (line) => String(line.partition), right },
    { header: 'SEGMENTS', cell: (line) => String(line.remoteSegments), right },
    { header: 'REMOTE-ONLY', cell: (line) => bytesCell(line.remoteOnlyBytes, exact), right },
    { header: 'BOTH', cell: (line) => bytesCell(line.bothBytes, exact), right },
    { header: 'LOCAL-ONLY', cell: (line) => bytesCell(line.localOnlyBytes, exact), right },
    { header: 'LAG-BYTES', cell: (line) => bytesCell(line.lagBytes, exact), right },
    { header: 'LAG-SEGS', cell: (line) => String(line.lagSegments), right },
    { header: 'REMOTE-START', cell: (line) => offsetCell(line.remoteStart), right },
    { header: 'LOCAL-START', cell: (line) => offsetCell(line.localStart), right },
    { header: 'TIERED-TO', cell: (line) => offsetCell(line.tieredTo), right },
    { header: 'LEO', cell: (line) => offsetCell(line.logEnd), right },
    { header: 'ROLE', cell: roleCell },
    {
      header: 'FINDINGS',
      cell: (line) => (line.findings === 0n ? '-' : String(line.findings)),
      right,
    },
  ];
}

function roleCell(line: PartitionLine): string {
  if (!line.leader) return 'follower';
  return line.claimed ? 'owner' : 'leader';
}

export async function inventoryLs(
  context: CommandContext,
  name: string | undefined,
): Promise<void> {
  const { topic, partition } =
    name === undefined ? { topic: '', partition: undefined } : parsePartitionName(name);
  const answer = await context.calls.listPartitions({ topic, partition }, context.signal);
  for (const words of answer.notReady) context.io.err(`not ready: ${words}\n`);
  if (context.format === 'json') {
    const { clusterId, brokerId, notReady } = answer;
    context.io.out(
      printJson(
        jsonDocument('PartitionList', answer.partitions, { clusterId, brokerId, notReady }),
      ),
    );
    return;
  }
  context.io.out(printTable(columns(context.exactBytes), answer.partitions));
}

export async function inventoryDescribe(context: CommandContext, name: string): Promise<void> {
  const answer = await context.calls.describePartition(parseOnePartition(name), context.signal);
  context.io.out(
    context.format === 'json'
      ? printJson(jsonDocument('Partition', [answer]))
      : describeText(context, answer),
  );
}

function describeText(context: CommandContext, answer: DescribePartitionResponse): string {
  const nowMs = context.io.wallMs();
  const { line } = answer;
  if (line === undefined) return 'nothing is known of this partition\n';
  return [
    printSection('SUMMARY', summaryFacts(answer, line, nowMs)),
    printSection('OFFSETS', offsetFacts(answer, line)),
    printSection('SIZE', sizeFacts(answer, line, context.exactBytes)),
    printSection('SYNC', syncFacts(answer, line, context.exactBytes, nowMs)),
    printSection('SETTINGS', Object.entries(answer.topicSettings).toSorted(byName)),
    printTable(
      [
        { header: 'EPOCH', cell: ({ epoch }) => String(epoch), right: true },
        { header: 'START-OFFSET', cell: ({ startOffset }) => String(startOffset), right: true },
      ],
      answer.row?.lineage ?? [],
    ),
    findingsText(answer.findings, nowMs),
  ].join('\n');
}

type Facts = (readonly [string, string])[];

function byName(left: readonly [string, string], right: readonly [string, string]): number {
  return left[0].localeCompare(right[0]);
}

function summaryFacts(
  answer: DescribePartitionResponse,
  line: PartitionLine,
  nowMs: number,
): Facts {
  const claim = answer.row?.claim;
  return [
    ['topic', `${line.topic} (${line.topicId})`],
    ['partition', String(line.partition)],
    ['mode', answer.mode],
    ['store', answer.store === '' ? 'not tiered' : answer.store],
    ['stores in use', answer.storesInUse.join(', ') || '-'],
    ['role', roleCell(line)],
    [
      'claim',
      claim === undefined ? 'none' : claimText(claim.brokerId, claim.leaderEpoch, claim.released),
    ],
    ['remote segments', String(line.remoteSegments)],
    ['local segments', String(line.localSegments)],
    ['last upload', agoCell(answer.lastUploadMs, nowMs)],
  ];
}

function claimText(brokerId: number, leaderEpoch: number, released: boolean): string {
  return `broker ${brokerId} at leader epoch ${leaderEpoch}${released ? ' (released)' : ''}`;
}

function offsetFacts(answer: DescribePartitionResponse, line: PartitionLine): Facts {
  const gaps = answer.gaps.map(({ start, end }) => `[${start}, ${end})`);
  return [
    ['remote start', offsetCell(line.remoteStart)],
    ['tiered to', offsetCell(line.tieredTo)],
    ['local start', offsetCell(line.localStart)],
    ['last stable offset', offsetCell(answer.lastStableOffset)],
    ['high watermark', offsetCell(answer.highWatermark)],
    ['log end', offsetCell(line.logEnd)],
    ['gaps', gaps.join(' ') || 'none'],
  ];
}

function sizeFacts(answer: DescribePartitionResponse, line: PartitionLine, exact: boolean): Facts {
  const total = line.remoteOnlyBytes + line.bothBytes + line.localOnlyBytes;
  return [
    ['remote only', bytesCell(line.remoteOnlyBytes, exact)],
    ['both', bytesCell(line.bothBytes, exact)],
    ['local only', bytesCell(line.localOnlyBytes, exact)],
    ['total, each byte once', bytesCell(total, exact)],
    ['objects in the store', bytesCell(answer.remoteObjectBytes, exact)],
    [
      'queued for erasing',
      `${answer.eraseQueueObjects} objects, ${bytesCell(answer.eraseQueueBytes, exact)}`,
    ],
  ];
}

function syncFacts(
  answer: DescribePartitionResponse,
  line: PartitionLine,
  exact: boolean,
  nowMs: number,
): Facts {
  return [
    ['lag', `${line.lagSegments} segments, ${bytesCell(line.lagBytes, exact)}`],
    [
      'head-room',
      line.headroomMs === undefined ? 'nothing at risk' : durationCell(line.headroomMs),
    ],
    ['last upload', agoCell(answer.lastUploadMs, nowMs)],
  ];
}

export function findingsText(findings: readonly Finding[], nowMs: number): string {
  if (findings.length === 0) return 'no findings\n';
  return printTable(
    [
      { header: 'FINDING', cell: ({ code }) => code },
      { header: 'OFFSETS', cell: rangeCell },
      { header: 'SINCE', cell: ({ sinceMs }) => agoCell(sinceMs, nowMs) },
      { header: 'WORDS', cell: ({ text }) => text },
    ],
    findings,
  );
}

function rangeCell({ startOffset, endOffset }: Finding): string {
  return startOffset === undefined ? '-' : `[${startOffset}, ${offsetCell(endOffset)})`;
}
