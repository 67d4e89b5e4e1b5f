// Tells a member's log from one that was begun anew under the same number: a file beside the log's own.
import { LogtierError } from '../../../base/errors.ts';
import { diskError, type Disk } from '../../../platform/disk.ts';
import { readText, replaceFile } from '../../../platform/small-file.ts';
import type { Random } from '../../../platform/random.ts';

const FILE = 'directory-id';

export interface DirectoryIdDeps {
  readonly disk: Disk;
  readonly random: Random;
}

/** The id of the log in `directory`, which is made when missing; made up once. CORRUPT_STATE when it does not read. */
export async function directoryIdOf(deps: DirectoryIdDeps, directory: string): Promise<string> {
  const { disk, random } = deps;
  await disk.makeDirectory(directory).catch((error: unknown) => {
    throw diskError(error, `making ${directory}`);
  });
  const known = await readId(disk, directory);
  if (known !== undefined) return known;
  const id = Buffer.from(random.bytes(16)).toString('base64url');
  await replaceFile(disk, directory, FILE, `${id}\n`);
  return id;
}

async function readId(disk: Disk, directory: string): Promise<string | undefined> {
  const id = (await readText(disk, directory, FILE))?.trim();
  if (id === undefined || /^[A-Za-z0-9_-]{22}$/.test(id)) return id;
  throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} holds no directory id`);
}
