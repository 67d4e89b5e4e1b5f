// Which metastore a directory belongs to: made up once, then checked by log and catalog.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk } from '../../platform/disk.ts';
import type { Random } from '../../platform/random.ts';
import { isEngineName } from './current-engine.ts';
import { readText, replaceFile } from '../../platform/small-file.ts';

const FILE = 'metastore-id';

export interface IdentityDeps {
  readonly disk: Disk;
  readonly random: Random;
}

/**
 * A fresh id, or the one expected, only for a directory that holds nothing of ours yet. WRONG_CLUSTER when it
 * is another metastore's than expected.
 */
export async function metastoreIdOf(
  { disk, random }: IdentityDeps,
  directory: string,
  expected?: string,
): Promise<string> {
  const known = await readId(disk, directory);
  if (known !== undefined) {
    if (expected !== undefined && known !== expected) throw otherMetastore(directory, known);
    return known;
  }
  if (await holdsMember(disk, directory)) {
    throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} is missing`, {
      hint: 'restore the whole directory from one backup',
    });
  }
  const id = expected ?? freshMetastoreId(random);
  await writeMetastoreId(disk, directory, id);
  return id;
}

function otherMetastore(directory: string, known: string): LogtierError {
  return new LogtierError('WRONG_CLUSTER', `${directory} belongs to metastore ${known}`, {
    hint: 'metastore.group.id or metastore.etcd.metastoreId names another one',
  });
}

export function freshMetastoreId(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('base64url');
}

export async function writeMetastoreId(disk: Disk, directory: string, id: string): Promise<void> {
  await replaceFile(disk, directory, FILE, `${id}\n`);
}

async function holdsMember(disk: Disk, directory: string): Promise<boolean> {
  try {
    const names = (await disk.list(directory)).map(({ name }) => name);
    return names.some((name) => name === 'log' || name === 'CURRENT' || isEngineName(name));
  } catch (error) {
    throw diskError(error, `listing ${directory}`);
  }
}

async function readId(disk: Disk, directory: string): Promise<string | undefined> {
  const id = (await readText(disk, directory, FILE))?.trim();
  if (id === undefined || /^[A-Za-z0-9_-]{22}$/.test(id)) return id;
  throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} holds no metastore id`);
}
