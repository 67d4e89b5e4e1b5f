// Names of a segment's files in its partition's directory: <base offset, 20 digits>.<kind><suffix>

export const segmentFileKinds = ['log', 'index', 'timeindex', 'txnindex', 'snapshot'] as const;
export type SegmentFileKind = (typeof segmentFileKinds)[number];

/** '' is live; `.deleted` waits to be unlinked; `.cleaned` and `.swap` belong to compaction or a split. */
export type SegmentFileSuffix = '' | '.deleted' | '.cleaned' | '.swap';

export interface SegmentFileName {
  /** A snapshot's is the offset it holds the state for: the exclusive end of the segment before. */
  readonly baseOffset: bigint;
  readonly kind: SegmentFileKind;
  readonly suffix: SegmentFileSuffix;
}

const PATTERN = /^(\d{20})\.([a-z]+)(\.[a-z]+)?$/;
const LARGEST_OFFSET = 2n ** 63n - 1n;

function isKind(text: string): text is SegmentFileKind {
  return segmentFileKinds.some((kind) => kind === text);
}

function isSuffix(text: string): text is SegmentFileSuffix {
  return ['', '.deleted', '.cleaned', '.swap'].includes(text);
}

/** `00000000000000000042.log` for (42, 'log'). */
export function segmentFileName(baseOffset: bigint, kind: SegmentFileKind): string {
  return `${String(baseOffset).padStart(20, '0')}.${kind}`;
}

/** Undefined for every other name: checkpoints, `*.tmp`, metadata, foreign files. */
export function parseSegmentFileName(name: string): SegmentFileName | undefined {
  const [, digits = '', kind = '', suffix = ''] = PATTERN.exec(name) ?? [];
  if (digits === '' || !isKind(kind) || !isSuffix(suffix)) return undefined;
  const baseOffset = BigInt(digits);
  return baseOffset > LARGEST_OFFSET ? undefined : { baseOffset, kind, suffix };
}
