// Writers on a metastore group, counted and timed.
import { compiled } from './compiled.ts';
import type { LoadConfig } from './commit-load.ts';
import { CLUSTER, type MetastoreGroup } from './metastore-group.ts';
import { type MeasuredLoad, runLoad } from './run-load.ts';

/** Sidecars that the writers of one load belong to, at most: a broker copies several segments at once. */
const MAX_CLIENTS = 8;

export interface GroupLoad {
  readonly writers: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** All writers together; as many as they can when undefined. */
  readonly commitsPerSecond?: number;
  /** Others than before when undefined. */
  readonly firstPartition?: number;
}

let partitions = 0;

export async function loadGroup(
  group: MetastoreGroup,
  load: GroupLoad,
  during?: () => Promise<void>,
): Promise<MeasuredLoad> {
  const script = await compiled(new URL('commit-load.ts', import.meta.url));
  const config: LoadConfig = {
    firstPartition: partitions,
    ...load,
    addresses: group.addresses,
    clusterId: CLUSTER,
    clients: Math.min(load.writers, MAX_CLIENTS),
  };
  partitions += load.writers;
  const pids = group.members.map(({ pid }) => pid);
  return await runLoad(
    { command: process.execPath, args: [script, JSON.stringify(config)] },
    pids,
    during,
  );
}
