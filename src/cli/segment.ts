// `logtier segment ls|stat|fetch|verify`: one remote segment, down to its bytes.
import { assert } from '../base/assert.ts';
import type { ByteRange } from '../base/byte-range.ts';
import { LogtierError } from '../base/errors.ts';
import { SegmentState, type SegmentRecord } from '../gen/logtier/v1/catalog_command.ts';
import { segmentFileName, type SegmentFileKind } from '../kafka/segment-files.ts';
import type { ObjectSection, SectionKind } from '../segment/segment-object.ts';
import {
  checkChunk,
  checkSection,
  chunkRange,
  readManifest,
  type ReadRange,
} from '../segment/segment-object-reader.ts';
import { verifySegmentObject } from '../segment/segment-object-verifier.ts';
import type { CommandContext } from './command-context.ts';
import { exitCodes } from './exit-code.ts';
import { parseOnePartition } from './partition-name.ts';
import { agoCell, bytesCell, jsonDocument, printJson } from './printed.ts';
import { Progress } from './progress.ts';
import { printSection, printTable, type Column } from './table.ts';

function columns(exact: boolean, nowMs: number): Column<SegmentRecord>[] {
  const right = true;
  return [
    { header: 'SEGMENT-ID', cell: (segment) => segment.segmentId },
    { header: 'START', cell: (segment) => String(segment.startOffset), right },
    { header: 'END', cell: (segment) => String(segment.nextOffset), right },
    { header: 'STATE', cell: ({ state }) => stateName(state) },
    { header: 'BYTES', cell: (segment) => bytesCell(segment.logBytes, exact), right },
    { header: 'NEWEST', cell: (segment) => agoCell(segment.maxTimestampMs, nowMs) },
    { header: 'EPOCHS', cell: (segment) => segment.epochs.map(({ epoch }) => epoch).join(',') },
    { header: 'STORE', cell: (segment) => segment.store },
    { header: 'FLAGS', cell: flagsCell },
  ];
}

function stateName(state: SegmentState): string {
  return Object.entries(SegmentState).find(([, value]) => value === state)?.[0] ?? String(state);
}

function jsonSegment(segment: SegmentRecord): object {
  return { ...segment, state: stateName(segment.state) };
}

function flagsCell(segment: SegmentRecord): string {
  const flags = [
    segment.txnIndexEmpty ? '' : 'aborted-transactions',
    segment.rebuilt ? 'rebuilt' : '',
    segment.noProducerSnapshot ? 'no-producer-snapshot' : '',
    segment.adopted ? 'adopted' : '',
  ].filter((flag) => flag !== '');
  return flags.join(',') || '-';
}

export interface SegmentRange {
  readonly fromOffset: bigint | undefined;
  readonly toOffset: bigint | undefined;
}

export async function segmentLs(
  context: CommandContext,
  name: string,
  range: SegmentRange,
): Promise<void> {
  const request = { ...parseOnePartition(name), ...range };
  const segments: SegmentRecord[] = [];
  for await (const page of context.calls.listRemoteSegments(request, context.signal))
    segments.push(...page.segments);
  const text =
    context.format === 'json'
      ? printJson(jsonDocument('SegmentList', segments.map(jsonSegment)))
      : printTable(columns(context.exactBytes, context.io.wallMs()), segments);
  context.io.out(text);
}

export async function segmentStat(context: CommandContext, segmentId: string): Promise<void> {
  const { segment, topic } = await context.calls.getSegment({ segmentId }, context.signal);
  if (segment === undefined) throw noSegment(segmentId);
  const manifest = await readManifest(
    Number(segment.objectBytes),
    ranges(context, segmentId),
    context.signal,
  );
  if (context.format === 'json') {
    context.io.out(
      printJson(jsonDocument('Segment', [{ topic, ...jsonSegment(segment), manifest }])),
    );
    return;
  }
  const exact = context.exactBytes;
  context.io.out(
    printSection('SEGMENT', [
      ['id', segment.segmentId],
      ['partition', `${topic}-${segment.partition}`],
      ['state', stateName(segment.state)],
      ['offsets', `[${segment.startOffset}, ${segment.nextOffset})`],
      ['log', bytesCell(segment.logBytes, exact)],
      ['object', bytesCell(segment.objectBytes, exact)],
      ['store', segment.store],
      ['key', segment.objectKey],
      ['broker', String(segment.brokerId)],
      [
        'epochs',
        segment.epochs.map(({ epoch, startOffset }) => `${epoch}@${startOffset}`).join(' '),
      ],
      ['flags', flagsCell(segment)],
    ]),
  );
  context.io.out('\n');
  context.io.out(
    printTable<ObjectSection>(
      [
        { header: 'SECTION', cell: ({ kind }) => kind },
        { header: 'POSITION', cell: ({ range }) => String(range.start), right: true },
        { header: 'BYTES', cell: ({ range }) => String(range.end - range.start), right: true },
        { header: 'CRC-32', cell: ({ crc }) => crc.toString(16).padStart(8, '0') },
      ],
      manifest.sections,
    ),
  );
}

function noSegment(segmentId: string): LogtierError {
  return new LogtierError('NOT_FOUND', `no segment ${segmentId}`, {
    hint: 'logtier segment ls TOPIC:PARTITION lists them',
  });
}

/** Ranges of one stored object, over the wire. */
function ranges(context: CommandContext, segmentId: string): ReadRange {
  return async (range, signal) => {
    const bytes = new Uint8Array(range.end - range.start);
    let filled = 0;
    const request = { segmentId, start: BigInt(range.start), end: BigInt(range.end) };
    for await (const { message } of context.calls.readObject(request, signal)) {
      if (message?.$case !== 'chunk') continue;
      if (filled + message.value.length > bytes.length) throw shortObject(segmentId);
      bytes.set(message.value, filled);
      filled += message.value.length;
    }
    if (filled !== bytes.length) throw shortObject(segmentId);
    return bytes;
  };
}

function shortObject(segmentId: string): LogtierError {
  return new LogtierError(
    'OBJECT_CORRUPT',
    `the object of ${segmentId} has another size than its record says`,
  );
}

/** Suffixes of the files a broker would have beside the log. */
const fileKinds: Partial<Record<SectionKind, SegmentFileKind>> = {
  offsetIndex: 'index',
  timeIndex: 'timeindex',
  transactionIndex: 'txnindex',
  producerSnapshot: 'snapshot',
};

/** Writes the segment's files as the broker had them, each checked before it is written. */
export async function segmentFetch(
  context: CommandContext,
  segmentId: string,
  directory: string,
): Promise<void> {
  const { segment } = await context.calls.getSegment({ segmentId }, context.signal);
  if (segment === undefined) throw noSegment(segmentId);
  const readRange = ranges(context, segmentId);
  const manifest = await readManifest(Number(segment.objectBytes), readRange, context.signal);
  const files: string[] = [];
  for (const section of manifest.sections) {
    if (section.kind === 'log') continue;
    const bytes = await readRange(section.range, context.signal);
    checkSection(section, bytes);
    files.push(await writeFile(context, `${directory}/${fileName(section.kind, manifest)}`, bytes));
  }
  const path = `${directory}/${segmentFileName(manifest.startOffset, 'log')}`;
  const log = await context.io.createFile(path);
  const progress = new Progress(context.io, 'fetch', Number(segment.logBytes));
  for (let index = 0; index < manifest.chunkCrcs.length; index += 1) {
    const bytes = await readRange(chunkRange(manifest, index), context.signal);
    checkChunk(manifest, index, bytes);
    await log.write(bytes);
    progress.advance(bytes.length);
  }
  await log.close();
  progress.done();
  files.push(path);
  context.io.out(
    context.format === 'json'
      ? printJson(jsonDocument('FileList', files))
      : `${files.join('\n')}\n`,
  );
}

function fileName(
  kind: SectionKind,
  offsets: { readonly startOffset: bigint; readonly nextOffset: bigint },
): string {
  const fileKind = fileKinds[kind];
  if (fileKind === undefined) return 'leader-epoch-checkpoint';
  return segmentFileName(
    fileKind === 'snapshot' ? offsets.nextOffset : offsets.startOffset,
    fileKind,
  );
}

async function writeFile(
  context: CommandContext,
  path: string,
  bytes: Uint8Array,
): Promise<string> {
  const file = await context.io.createFile(path);
  await file.write(bytes);
  await file.close();
  return path;
}

/** Reads every byte again; exit code 3 when anything is not as it was written. */
export async function segmentVerify(context: CommandContext, segmentId: string): Promise<number> {
  const { segment } = await context.calls.getSegment({ segmentId }, context.signal);
  if (segment === undefined) throw noSegment(segmentId);
  const progress = new Progress(context.io, 'verify', Number(segment.objectBytes));
  const readRange = ranges(context, segmentId);
  const counted: ReadRange = async (range: ByteRange, signal) => {
    const bytes = await readRange(range, signal);
    progress.advance(bytes.length);
    return bytes;
  };
  const { manifest, findings } = await verifySegmentObject(
    Number(segment.objectBytes),
    counted,
    context.signal,
  );
  progress.done();
  const all =
    manifest === undefined ? findings : [...findings, ...disagreements(segment, manifest)];
  if (context.format === 'json')
    context.io.out(printJson(jsonDocument('SegmentFindingList', all, { segmentId })));
  else if (all.length === 0) context.io.out(`${segmentId}: every byte is as it was written\n`);
  else {
    context.io.out(
      printTable(
        [
          { header: 'WHERE', cell: ({ where }) => where },
          { header: 'WHAT', cell: ({ what }) => what },
        ],
        all,
      ),
    );
  }
  return all.length === 0 ? exitCodes.ok.code : exitCodes.findings.code;
}

/** A sound object that belongs to another record is a finding too. */
function disagreements(
  segment: SegmentRecord,
  manifest: {
    readonly segmentId: string;
    readonly startOffset: bigint;
    readonly nextOffset: bigint;
  },
): { where: 'manifest'; what: string }[] {
  assert(segment.segmentId !== '', 'a record has an id');
  const same =
    manifest.segmentId === segment.segmentId &&
    manifest.startOffset === segment.startOffset &&
    manifest.nextOffset === segment.nextOffset;
  if (same) return [];
  const what = `the object holds segment ${manifest.segmentId} [${manifest.startOffset}, ${manifest.nextOffset}), not what the record says`;
  return [{ where: 'manifest', what }];
}
