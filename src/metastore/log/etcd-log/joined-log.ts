// Which log in etcd a member's directory has been in: one small file where other homes keep the log itself.
import { LogtierError } from '../../../base/errors.ts';
import { diskError, type Disk } from '../../../platform/disk.ts';
import { replaceFile } from '../../../platform/replace-file.ts';

const FILE = 'etcd-log';
const IDENTITY = /^[0-9a-f]{1,16}-\d{1,20}$/;

/** Undefined: in none. INVALID_CONFIG where `directory` holds a log of its own. */
export async function joinedLog(disk: Disk, directory: string): Promise<string | undefined> {
  try {
    await disk.makeDirectory(directory);
    const names = (await disk.list(directory)).map(({ name }) => name);
    if (names.includes(FILE)) return await readIdentity(disk, directory);
    if (names.some((name) => !name.startsWith(`${FILE}.`))) throw holdsLog(directory);
    return undefined;
  } catch (error) {
    throw error instanceof LogtierError ? error : diskError(error, `reading ${directory}`);
  }
}

export async function rememberLog(disk: Disk, directory: string, identity: string): Promise<void> {
  await replaceFile(disk, directory, FILE, `${identity}\n`);
}

async function readIdentity(disk: Disk, directory: string): Promise<string> {
  const text = (await disk.readFile(`${directory}/${FILE}`)).toString('utf8').trim();
  if (IDENTITY.test(text)) return text;
  throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} names no log`, {
    hint: 'begin anew with an empty directory: the log in etcd and its snapshot fill it',
  });
}

function holdsLog(directory: string): LogtierError {
  return new LogtierError('INVALID_CONFIG', `${directory} holds a log that is not in etcd`, {
    hint: 'metastore.etcd needs a directory of its own; a metastore moves through a backup: docs/runbooks/restore-a-backup.md',
  });
}
