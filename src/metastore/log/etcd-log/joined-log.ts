// Which log in etcd a member's directory has been in: one small file where other homes keep the log itself.
import { LogtierError } from '../../../base/errors.ts';
import { diskError, type Disk } from '../../../platform/disk.ts';
import { readText, replaceFile } from '../../../platform/small-file.ts';

const FILE = 'etcd-log';
const THROUGH_BACKUP =
  'a metastore changes the home of its log through a backup: docs/runbooks/restore-a-backup.md';
const IDENTITY = /^[0-9a-f]{1,16}-\d{1,20}$/;

/** Undefined: in none. INVALID_CONFIG where `directory` holds a log of its own. */
export async function joinedLog(disk: Disk, directory: string): Promise<string | undefined> {
  const names = await namesIn(disk, directory);
  const identity = (await readText(disk, directory, FILE))?.trim();
  if (identity === undefined) {
    if (names.some((name) => !name.startsWith(`${FILE}.`))) throw holdsLog(directory);
    return undefined;
  }
  if (IDENTITY.test(identity)) return identity;
  throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} names no log`, {
    hint: 'begin anew with an empty directory: the log in etcd and its snapshot fill it',
  });
}

/** INVALID_CONFIG for a member of a log in etcd: a log of its own would be another history under the same id. */
export async function requireNeverJoined(disk: Disk, directory: string): Promise<void> {
  if ((await readText(disk, directory, FILE)) === undefined) return;
  throw new LogtierError('INVALID_CONFIG', `${directory} belongs to a log in etcd`, {
    hint: `metastore.etcd is missing in the settings; ${THROUGH_BACKUP}`,
  });
}

export async function rememberLog(disk: Disk, directory: string, identity: string): Promise<void> {
  await replaceFile(disk, directory, FILE, `${identity}\n`);
}

async function namesIn(disk: Disk, directory: string): Promise<readonly string[]> {
  try {
    await disk.makeDirectory(directory);
    return (await disk.list(directory)).map(({ name }) => name);
  } catch (error) {
    throw diskError(error, `reading ${directory}`);
  }
}

function holdsLog(directory: string): LogtierError {
  return new LogtierError('INVALID_CONFIG', `${directory} holds a log that is not in etcd`, {
    hint: `metastore.etcd needs a directory of its own; ${THROUGH_BACKUP}`,
  });
}
