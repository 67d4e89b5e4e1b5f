// A catalog that goes on over another log: after a restore from a backup, or a change of the log's home.
import { CatalogState, ClaimRow } from '../../gen/logtier/v1/catalog_command.ts';
import { allClaims, rowsOfOneLog, stateKey } from '../catalog/keys.ts';
import { decodeRow, encodeRow } from '../catalog/row.ts';
import { freshState, readState } from '../catalog/state.ts';
import type { KvEngine, KvWrite } from '../engine/kv-engine.ts';

/**
 * Raises the incarnation, so that tokens and revisions never go back though indexes begin anew (safety
 * rule 6). Sessions, leases and history are of the old log and go; orphans are not erased until an operator
 * has reconciled the store: what was finished after the backup is an object without a record.
 *
 * The log that follows must be empty. The content counts as its entry 1: a member that joins with nothing
 * gets a snapshot, never the entries from the first on. Safe to repeat after a crash.
 */
export async function raiseIncarnation(
  engine: KvEngine,
  metastoreId: string,
  newMetastoreId = metastoreId,
): Promise<number> {
  const before = await readState(engine, metastoreId);
  const incarnation = before.incarnation + 1;
  const { clockMs, segments, eraseQueue, clusters } = before;
  const state: CatalogState = {
    ...freshState(incarnation, newMetastoreId),
    stateVersion: before.stateVersion,
    upgradedTo: before.upgradedTo,
    appliedIndex: 1n,
    appliedTerm: 1n,
    feedFrom: { incarnation, index: 1n },
    // Goes on, so that a member that began with other content is told apart.
    hash: before.hash,
    clockMs,
    segments,
    eraseQueue,
    clusters,
    orphanLock: true,
  };
  await engine.batch([
    ...rowsOfOneLog().map((range): KvWrite => ({ kind: 'deleteRange', ...range })),
    ...(await agelessClaims(engine)),
    { kind: 'put', key: stateKey(), value: encodeRow(CatalogState, state) },
  ]);
  await engine.flush();
  return state.incarnation;
}

/** Ages are client ids of the old log: no process of the new one is older than they. */
async function agelessClaims(engine: KvEngine): Promise<KvWrite[]> {
  const writes: KvWrite[] = [];
  for await (const { key, value } of engine.range(allClaims())) {
    const claim = decodeRow(ClaimRow, value);
    writes.push({ kind: 'put', key, value: encodeRow(ClaimRow, { ...claim, instanceAge: 0n }) });
  }
  return writes;
}
