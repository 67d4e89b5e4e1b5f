// `logtier records read`: records of both tiers, decoded, one a line.
import type { ReadRecord } from '../gen/logtier/v1/operator.ts';
import type { CommandContext } from './command-context.ts';
import { exitCodes } from './exit-code.ts';
import { parseOnePartition } from './partition-name.ts';
import { printJsonLine } from './printed.ts';

export interface RecordsWanted {
  readonly fromOffset: bigint;
  readonly count: bigint;
  readonly committedOnly: boolean;
}

/** Longest key or value of the table form; JSON prints all of it. */
const CELL_CHARACTERS = 80;

/** Exit code 3 when a hole was met: the records after it are printed all the same. */
export async function recordsRead(
  context: CommandContext,
  name: string,
  wanted: RecordsWanted,
): Promise<number> {
  const request = { ...parseOnePartition(name), ...wanted };
  let holes = 0;
  for await (const answer of context.calls.readRecords(request, context.signal)) {
    for (const record of answer.records) context.io.out(recordLine(context, record));
    if (answer.gap !== undefined) {
      holes += 1;
      context.io.err(`gap: offsets [${answer.gap.start}, ${answer.gap.end}) are in neither tier\n`);
    }
    if (answer.note !== '') context.io.err(`${answer.note}\n`);
  }
  return holes === 0 ? exitCodes.ok.code : exitCodes.findings.code;
}

function recordLine(context: CommandContext, record: ReadRecord): string {
  if (context.format === 'json') return printJsonLine(jsonRecord(record));
  const time = new Date(Number(record.timestampMs)).toISOString();
  const headers = record.headers.map(({ key, value }) => `${key}=${cell(value)}`).join(' ');
  return (
    `${record.offset}\t${time}\t${record.tier}\t${cell(record.key)}\t${cell(record.value)}\t${headers}`.trimEnd() +
    '\n'
  );
}

/** Text where the bytes are UTF-8, else base64 under another name. */
function jsonRecord(record: ReadRecord): object {
  return {
    offset: record.offset,
    timestampMs: Number(record.timestampMs),
    tier: record.tier,
    ...bytesField('key', record.key),
    ...bytesField('value', record.value),
    headers: record.headers.map(({ key, value }) => ({ key, ...bytesField('value', value) })),
  };
}

function bytesField(name: string, bytes: Uint8Array | undefined): object {
  if (bytes === undefined) return { [name]: null };
  const text = utf8(bytes);
  return text === undefined
    ? { [`${name}Base64`]: Buffer.from(bytes).toString('base64') }
    : { [name]: text };
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function cell(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return 'null';
  const text = utf8(bytes);
  const isPlain = text !== undefined && !/\p{Cc}/u.test(text);
  const shown = isPlain
    ? text
    : `0x${Buffer.from(bytes.subarray(0, CELL_CHARACTERS)).toString('hex')}`;
  return shown.length > CELL_CHARACTERS
    ? `${shown.slice(0, CELL_CHARACTERS)}… (${bytes.length} B)`
    : shown;
}
