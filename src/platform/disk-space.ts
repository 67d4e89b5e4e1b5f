import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** Of the file system that holds `path`; free: for us, without what is kept for root. Node errors as `Disk`. */
export type DiskSpaceOf = (path: string) => Promise<DiskSpace>;

export const diskSpaceOf: DiskSpaceOf = async (path) => {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
};
