// Where the local view is kept. It is a copy of the catalog: what cannot be read is thrown away.
import { hasCode } from '../base/errors.ts';
import { diskViewHome } from '../metastore/client/disk-view-home.ts';
import { forgetfulHome, type ViewHome } from '../metastore/client/view-home.ts';
import { openRocksdbEngine } from '../metastore/engine/rocksdb-engine.ts';
import { removeTree } from '../metastore/member/remove-tree.ts';
import type { Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';

export interface ViewHomeDeps {
  readonly disk: Disk;
  readonly logger: Logger;
}

/** Never fails: without a home the view is loaded anew at each start. */
export async function openViewHome(
  { disk, logger }: ViewHomeDeps,
  directory: string,
  clusterId: string,
): Promise<ViewHome> {
  try {
    await disk.makeDirectory(directory);
    const engine = await openRocksdbEngine(directory).catch(async (error: unknown) => {
      if (!hasCode(error, 'CORRUPT_STATE')) throw error;
      logger.warn({ directory, reason: String(error) }, 'the kept view is damaged: it goes');
      await removeTree(disk, directory);
      await disk.makeDirectory(directory);
      return await openRocksdbEngine(directory);
    });
    return diskViewHome({ engine, logger }, clusterId);
  } catch (error) {
    logger.warn({ directory, reason: String(error) }, 'the view is kept in memory only');
    return forgetfulHome;
  }
}
