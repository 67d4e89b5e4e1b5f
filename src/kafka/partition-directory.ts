// Names of partition directories in a log directory.
//
//   topic-3                 live
//   topic-3.<hex>-delete    renamed, its files go within file.delete.delay.ms; a long topic may be cut
//   topic-3.<hex>-future    filled by a move between log directories
//   topic-3.<hex>-stray     not in the cluster's metadata any more
//
// Rules: apache/kafka storage LogFileUtils / UnifiedLog.parseTopicPartitionName

export type PartitionDirectoryState = 'live' | 'delete' | 'future' | 'stray';

export interface PartitionDirectory {
  readonly topic: string;
  readonly partition: number;
  readonly state: PartitionDirectoryState;
}

/** Only a name that ends like this is special: the live directory of a topic may hold these words. */
const SPECIAL = /^(\S+-\S+)\.[^\s.]+-(delete|future|stray)$/;
const SPECIAL_END = /-(?:delete|future|stray)$/;
const TOPIC_PARTITION = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/;
const LARGEST_PARTITION = 2 ** 31 - 1;
/** KRaft's own log: another format, never tiered. */
const METADATA_TOPIC = '__cluster_metadata';

function isSpecial(text: string | undefined): text is 'delete' | 'future' | 'stray' {
  return text === 'delete' || text === 'future' || text === 'stray';
}

/** Undefined for what is no partition of a topic: files, `lost+found`, the remote index cache, KRaft's log. */
export function parsePartitionDirectory(name: string): PartitionDirectory | undefined {
  const [, inner, state] = SPECIAL.exec(name) ?? [];
  if (inner === undefined && SPECIAL_END.test(name)) return undefined;
  const [, topic, digits] = TOPIC_PARTITION.exec(inner ?? name) ?? [];
  const partition = Number(digits);
  if (topic === undefined || topic === METADATA_TOPIC || partition > LARGEST_PARTITION) {
    return undefined;
  }
  if (topic === '.' || topic === '..') return undefined;
  return { topic, partition, state: isSpecial(state) ? state : 'live' };
}

export function partitionDirectoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}
