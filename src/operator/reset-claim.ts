// A controller that was rebuilt counts leader epochs from the beginning: the stored ones would fence every true
// leader for ever, until an operator says so (rule 32).
import { LogtierError } from '../base/errors.ts';
import { compareTokens, type TopicId } from '../segment/ids.ts';
import type { CatalogActs, CatalogPartition, RemoteCatalog } from './remote-catalog.ts';

export interface ResetDeps {
  readonly catalog: Pick<RemoteCatalog, 'partitions'>;
  readonly acts: Pick<CatalogActs, 'resetClaim'>;
}

export interface ResetAnswer {
  readonly topicId: TopicId;
  readonly partitions: number;
}

/** NOT_FOUND when no partition of the topic was ever claimed. */
export async function resetClaim(
  { catalog, acts }: ResetDeps,
  { topic, operator }: { readonly topic: string; readonly operator: string },
  signal: AbortSignal,
): Promise<ResetAnswer> {
  if (operator.trim() === '') {
    throw new LogtierError('INVALID_ARGUMENT', 'nobody is named who resets the claims', {
      hint: 'say who you are; it is written down',
    });
  }
  const claimed = topic === '' ? [] : await catalog.partitions(topic, signal);
  const newest = claimed.reduce<CatalogPartition | undefined>(laterClaim, undefined);
  if (newest === undefined) {
    throw new LogtierError('NOT_FOUND', `no partition of topic ${topic} was ever claimed`);
  }
  const { topicId } = newest.id;
  await acts.resetClaim(topicId, operator, signal);
  return { topicId, partitions: claimed.filter(({ id }) => id.topicId === topicId).length };
}

/** A name that was given twice means the topic that was claimed last. */
function laterClaim(
  left: CatalogPartition | undefined,
  right: CatalogPartition,
): CatalogPartition | undefined {
  const [known, other] = [left?.row.claim?.fenceToken, right.row.claim?.fenceToken];
  if (known === undefined || other === undefined) return left ?? right;
  return compareTokens(other, known) > 0 ? right : left;
}
