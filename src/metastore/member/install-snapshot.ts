import { LogtierError } from '../../base/errors.ts';
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { SnapshotHeader } from '../catalog/snapshot-format.ts';
import { importCatalog } from '../catalog/snapshot-import.ts';
import { readState } from '../catalog/state.ts';
import { openState } from '../catalog/upgrade.ts';
import type { SnapshotToInstall } from '../log/replicated-log.ts';
import type { EngineHome } from './engine-home.ts';

/** Puts the snapshot in the engine's place, durably; answers the new state. Otherwise all is as before. */
export async function installSnapshot(
  home: EngineHome,
  before: CatalogState,
  snapshot: SnapshotToInstall,
  signal: AbortSignal,
): Promise<CatalogState> {
  await home.replace(snapshot.index, async (engine) => {
    const check = (header: SnapshotHeader): void => {
      requireOurs(header, before, snapshot);
    };
    await importCatalog(engine, snapshot.content(signal), check, signal);
    // A member of an older Logtier may have sent it.
    await openState(engine, before.metastoreId);
  });
  return await readState(home.engine, before.metastoreId);
}

function requireOurs(
  header: SnapshotHeader,
  before: CatalogState,
  { index, term }: SnapshotToInstall,
): void {
  if (header.metastoreId !== before.metastoreId) {
    const message = `a snapshot of metastore ${header.metastoreId} came, this is ${before.metastoreId}`;
    throw new LogtierError('WRONG_CLUSTER', message);
  }
  const isNamed = header.appliedIndex === index && header.appliedTerm === term;
  // Tokens and revisions never go back (safety rule 6).
  if (isNamed && header.incarnation >= before.incarnation) return;
  const found = `(${header.incarnation}, ${header.appliedIndex}) of term ${header.appliedTerm}`;
  const message = `the snapshot at entry ${index} of term ${term} holds revision ${found}`;
  throw new LogtierError('CORRUPT_STATE', message);
}
