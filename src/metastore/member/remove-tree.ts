import { type Disk, errnoOf } from '../../platform/disk.ts';

/** The directory with all in it; nothing happens when it is not there. */
export async function removeTree(disk: Disk, path: string): Promise<void> {
  try {
    for (const { name, kind } of await disk.list(path)) {
      const inside = `${path}/${name}`;
      if (kind === 'directory') await removeTree(disk, inside);
      else await disk.unlink(inside);
    }
    await disk.removeDirectory(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
