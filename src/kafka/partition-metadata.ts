// `partition.metadata` in a partition's directory: two lines, no newline at the end. Written once, some time
// after the directory: a missing file means wait, never guess.
// Layout: apache/kafka storage PartitionMetadata.java
import { corrupt, truncated, unsupported } from './file-errors.ts';
import { isUuidText } from './uuid.ts';

const FILE = 'partition.metadata';
const TOPIC_ID_CHARACTERS = 22;

/** The topic's id, 22 characters of base64url. */
export function parsePartitionMetadata(text: string): string {
  const [first = '', second] = text.split('\n');
  if (second === undefined) throw truncated(FILE)('the topic id is missing', 1);
  const [, version] = /^version: (\d+)$/.exec(first.trimEnd()) ?? [];
  if (version === undefined) throw corrupt(FILE)(`'${first}' names no version`, 1);
  if (version !== '0') throw unsupported(FILE)(`version ${version}`, 1);
  return parseTopicId(second.trimEnd(), text.split('\n').slice(2).join('').trim());
}

function parseTopicId(line: string, rest: string): string {
  const prefix = 'topic_id: ';
  const id = line.slice(prefix.length);
  if (prefix.startsWith(line) || (line.startsWith(prefix) && id.length < TOPIC_ID_CHARACTERS)) {
    throw truncated(FILE)('the topic id is cut', 2);
  }
  if (!line.startsWith(prefix) || !isUuidText(id)) {
    throw corrupt(FILE)(`'${line}' names no topic id`, 2);
  }
  if (rest !== '') throw corrupt(FILE)('more than two lines', 3);
  return id;
}

export function printPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`;
}
