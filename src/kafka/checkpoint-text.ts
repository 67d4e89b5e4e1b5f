// The shape of all of Kafka's text checkpoints: a version line "0", a count line, then `count` entries.
// Written to `<name>.tmp`, synced and renamed; each line ends with '\n'.
// Layout: apache/kafka server-common CheckpointFile.java
import { corrupt, truncated, unsupported, type KafkaFileKind } from './file-errors.ts';

const VERSION = '0';
/** Far above the partitions of any broker; keeps a damaged count from allocating. */
const MOST_ENTRIES = 10_000_000;

export interface CheckpointLine {
  readonly fields: readonly string[];
  /** From 1. */
  readonly line: number;
}

/** The entries, split on white space into exactly `fieldsCount` fields. A torn file is TRUNCATED_FILE. */
export function parseCheckpoint(
  text: string,
  file: KafkaFileKind,
  fieldsCount: number,
): CheckpointLine[] {
  const lines = text.split('\n');
  const unfinished = lines.pop();
  const [version, countText, ...entries] = lines;
  if (version === undefined || countText === undefined) {
    throw truncated(file)('the version or the count is missing', lines.length + 1);
  }
  if (version !== VERSION) throw unsupported(file)(`version '${version}'`, 1);
  const count = parseCount(countText, file);
  if (unfinished !== '' || entries.length < count) {
    throw truncated(file)(`${entries.length} of ${count} entries`, lines.length + 1);
  }
  if (entries.length > count) throw corrupt(file)(`more than ${count} entries`, count + 3);
  return entries.map((entry, index) => parseLine(entry, index + 3, file, fieldsCount));
}

function parseCount(text: string, file: KafkaFileKind): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count > MOST_ENTRIES) throw corrupt(file)(`count '${text}'`, 2);
  return count;
}

function parseLine(
  text: string,
  line: number,
  file: KafkaFileKind,
  fieldsCount: number,
): CheckpointLine {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== fieldsCount)
    throw corrupt(file)(`'${text}' has ${fields.length} fields`, line);
  return { fields, line };
}

export function printCheckpoint(
  entries: readonly (readonly (string | number | bigint)[])[],
): string {
  const lines = entries.map((fields) => fields.join(' '));
  return [VERSION, String(entries.length), ...lines, ''].join('\n');
}

/** An int64 of a checkpoint that is never negative. */
export function parseOffset(text: string, file: KafkaFileKind, line: number): bigint {
  if (!/^\d{1,19}$/.test(text) || BigInt(text) > 2n ** 63n - 1n) {
    throw corrupt(file)(`'${text}' is no offset`, line);
  }
  return BigInt(text);
}

/** An int32 of a checkpoint that is never negative: an epoch or a partition. */
export function parseInt32(text: string, file: KafkaFileKind, line: number): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value > 2 ** 31 - 1) {
    throw corrupt(file)(`'${text}' is no 32-bit number`, line);
  }
  return value;
}
