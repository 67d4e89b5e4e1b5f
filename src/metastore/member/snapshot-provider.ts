import { throwIfAborted } from '../../platform/clock.ts';
import { exportCatalog } from '../catalog/snapshot-export.ts';
import { readState } from '../catalog/state.ts';
import { LogtierError } from '../../base/errors.ts';
import type { KvEngine } from '../engine/kv-engine.ts';
import type { Snapshot, SnapshotProvider } from '../log/replicated-log.ts';

/** Every moment of the engine is the end of a batch: its state's row says which. */
export function snapshotsOf(engine: KvEngine, metastoreId: string): SnapshotProvider {
  return { take: (signal) => take(engine, metastoreId, signal) };
}

async function take(engine: KvEngine, metastoreId: string, signal: AbortSignal): Promise<Snapshot> {
  throwIfAborted(signal);
  const moment = await engine.snapshot();
  try {
    const { appliedIndex, appliedTerm } = await readState(moment, metastoreId);
    if (appliedIndex === 0n) {
      throw new LogtierError('METASTORE_UNAVAILABLE', 'nothing has been applied yet');
    }
    return {
      index: appliedIndex,
      term: appliedTerm,
      content: (reading) => exportCatalog(moment, reading),
      close: () => moment.close(),
    };
  } catch (error) {
    await moment.close();
    throw error;
  }
}
