// Which metastore a directory belongs to: made up once, then checked by log and catalog.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk, errnoOf, exists } from '../../platform/disk.ts';
import type { Random } from '../../platform/random.ts';

const FILE = 'metastore-id';

export interface IdentityDeps {
  readonly disk: Disk;
  readonly random: Random;
}

/** A fresh id only for a directory that holds nothing of ours yet. */
export async function metastoreIdOf(
  { disk, random }: IdentityDeps,
  directory: string,
): Promise<string> {
  const known = await readId(disk, directory);
  if (known !== undefined) return known;
  if ((await exists(disk, `${directory}/log`)) || (await exists(disk, `${directory}/db`))) {
    throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} is missing`, {
      hint: 'restore the whole directory from one backup',
    });
  }
  const id = Buffer.from(random.bytes(16)).toString('base64url');
  await writeId(disk, directory, id);
  return id;
}

async function readId(disk: Disk, directory: string): Promise<string | undefined> {
  try {
    const text = (await disk.readFile(`${directory}/${FILE}`)).toString('utf8').trim();
    if (/^[A-Za-z0-9_-]{22}$/.test(text)) return text;
    throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} holds no metastore id`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error instanceof LogtierError ? error : diskError(error, `reading ${directory}/${FILE}`);
  }
}

/** Whole or not there: written aside, synced, renamed. */
async function writeId(disk: Disk, directory: string, id: string): Promise<void> {
  const aside = `${directory}/${FILE}.tmp`;
  try {
    const file = await disk.open(aside, 'write');
    try {
      await file.truncate(0);
      await file.write(Buffer.from(`${id}\n`), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(aside, `${directory}/${FILE}`);
    await disk.syncDirectory(directory);
  } catch (error) {
    throw diskError(error, `writing ${directory}/${FILE}`);
  }
}
