// Names of things: segments, topics, claims. All are Kafka's Uuid in its 22-character base64url form.
import { LogtierError } from '../base/errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** One copy of one segment (KIP-405 RemoteLogSegmentId.id); single use, never given again. */
export type SegmentId = Branded<'SegmentId'>;
/** Kafka's topic id: decides, where the topic's name only tells people. */
export type TopicId = Branded<'TopicId'>;

/** 16 bytes in base64url without padding (apache/kafka Uuid.java). */
const UUID_TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/;

function isSegmentId(text: string): text is SegmentId {
  return UUID_TEXT.test(text);
}

function isTopicId(text: string): text is TopicId {
  return UUID_TEXT.test(text);
}

function notUuid(text: string, what: string): LogtierError {
  return new LogtierError(
    'INVALID_ARGUMENT',
    `${what} '${text}' is not a 22-character base64url UUID`,
  );
}

/** Checks text from outside. */
export function segmentId(text: string): SegmentId {
  if (!isSegmentId(text)) throw notUuid(text, 'segment id');
  return text;
}

/** Checks text from outside. */
export function topicId(text: string): TopicId {
  if (!isTopicId(text)) throw notUuid(text, 'topic id');
  return text;
}

/** A partition by the id of its topic; what the catalog knows. */
export interface PartitionId {
  readonly topicId: TopicId;
  readonly partition: number;
}

export function partitionKey(id: PartitionId): string {
  return `${id.topicId}:${id.partition}`;
}

/**
 * Proof of the newest claim on a partition. Never goes back, not even over a restore: the incarnation
 * is raised first (safety rule 6), then the index of the replicated log counts.
 */
export interface FenceToken {
  readonly incarnation: number;
  readonly index: bigint;
}

export function compareTokens(left: FenceToken, right: FenceToken): number {
  if (left.incarnation !== right.incarnation) return left.incarnation - right.incarnation;
  if (left.index === right.index) return 0;
  return left.index < right.index ? -1 : 1;
}

export function sameToken(left: FenceToken, right: FenceToken): boolean {
  return compareTokens(left, right) === 0;
}

/** A revision of the catalog has the shape and the order of a token: (incarnation, log index). */
export type Revision = FenceToken;

/** 24 hexadecimal digits, so that texts sort as the tokens do. */
export function printToken(token: FenceToken): string {
  const incarnation = token.incarnation.toString(16).padStart(8, '0');
  return incarnation + token.index.toString(16).padStart(16, '0');
}

export function parseToken(text: string): FenceToken {
  if (!/^[0-9a-f]{24}$/.test(text)) {
    throw new LogtierError(
      'INVALID_ARGUMENT',
      `fence token '${text}' is not 24 hexadecimal digits`,
    );
  }
  return {
    incarnation: Number.parseInt(text.slice(0, 8), 16),
    index: BigInt(`0x${text.slice(8)}`),
  };
}

/** When a segment id of ours was made: its first 48 bits (UUID version 7, RFC 9562). Means nothing for others. */
export function segmentIdMs(id: SegmentId): number {
  return Buffer.from(id, 'base64url').readUIntBE(0, 6);
}
