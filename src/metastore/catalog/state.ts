// The row that is written with every batch: how far the engine has come, and the catalog-wide counts.
import { LogtierError } from '../../base/errors.ts';
import { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { Revision } from '../../segment/ids.ts';
import { stateKey } from './keys.ts';
import { decodeRow } from './row.ts';
import { requireKnownVersion } from './state-version.ts';

/** Version of the whole state machine: members of one group must agree on it. */
export const STATE_VERSION = 2;

interface RowSource {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
}

/** A fresh catalog when the engine is empty. Refuses a state of a newer Logtier or of another metastore. */
export async function readState(source: RowSource, metastoreId: string): Promise<CatalogState> {
  const bytes = await source.get(stateKey());
  if (bytes === undefined) return freshState(1, metastoreId);
  const state = decodeRow(CatalogState, bytes);
  requireKnownVersion(state.stateVersion, STATE_VERSION);
  if (state.metastoreId !== metastoreId) {
    const message = `the catalog belongs to metastore ${state.metastoreId}, the log to ${metastoreId}`;
    throw new LogtierError('WRONG_CLUSTER', message, {
      hint: 'directories of two metastores were mixed: put back the right one',
    });
  }
  return state;
}

export function freshState(incarnation: number, metastoreId: string): CatalogState {
  return {
    stateVersion: STATE_VERSION,
    incarnation,
    appliedIndex: 0n,
    appliedTerm: 0n,
    clockMs: 0n,
    clockHeld: false,
    feedFrom: { incarnation, index: 0n },
    orphanLock: false,
    hash: 0,
    segments: 0n,
    eraseQueue: 0n,
    sessions: 0,
    clusters: 0,
    metastoreId,
    upgradedTo: Buffer.alloc(0),
    hashMarks: [],
  };
}

/** What has been applied: the newest revision there is. */
export function revisionOf(state: CatalogState): Revision {
  return { incarnation: state.incarnation, index: state.appliedIndex };
}
