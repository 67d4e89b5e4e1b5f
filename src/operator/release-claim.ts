// Gives up the claim on a partition on an operator's word (rule 26): by its owner if that is us, else in the
// catalog alone, for an owner that is gone.
import { hasCode, LogtierError } from '../base/errors.ts';
import type { UploaderStatus } from '../uploader/uploader-status.ts';
import type { CatalogActs, RemoteCatalog } from './remote-catalog.ts';

export interface ReleaseDeps {
  readonly uploader: Pick<UploaderStatus, 'releaseClaim'>;
  readonly catalog: Pick<RemoteCatalog, 'find'>;
  readonly acts: Pick<CatalogActs, 'releaseClaim'>;
}

/** NOT_FOUND when nobody holds one. */
export async function releaseClaim(
  { uploader, catalog, acts }: ReleaseDeps,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  signal: AbortSignal,
): Promise<void> {
  try {
    await uploader.releaseClaim(topic, partition, signal);
    return;
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND')) throw error;
  }
  const snapshot = await catalog.find(topic, partition, signal);
  const { claim } = snapshot;
  if (claim === undefined || claim.released) {
    throw new LogtierError('NOT_FOUND', `nobody holds a claim on ${topic}-${partition}`, {
      hint: `logtier inventory describe ${topic}:${partition} shows the last one`,
    });
  }
  await acts.releaseClaim(snapshot.id, claim.token, signal);
}
