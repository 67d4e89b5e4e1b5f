// Tells a member's log from one that was begun anew under the same number: a file beside the log's own.
import { LogtierError } from '../../../base/errors.ts';
import { diskError, type Disk, errnoOf } from '../../../platform/disk.ts';
import { replaceFile } from '../../../platform/replace-file.ts';
import type { Random } from '../../../platform/random.ts';

const FILE = 'directory-id';

export interface DirectoryIdDeps {
  readonly disk: Disk;
  readonly random: Random;
}

/** The id of the log in `directory`, which is made when missing; made up once. CORRUPT_STATE when it does not read. */
export async function directoryIdOf(deps: DirectoryIdDeps, directory: string): Promise<string> {
  const { disk, random } = deps;
  const known = await readId(disk, directory);
  if (known !== undefined) return known;
  const id = Buffer.from(random.bytes(16)).toString('base64url');
  await replaceFile(disk, directory, FILE, `${id}\n`);
  return id;
}

async function readId(disk: Disk, directory: string): Promise<string | undefined> {
  try {
    await disk.makeDirectory(directory);
    const text = (await disk.readFile(`${directory}/${FILE}`)).toString('utf8').trim();
    if (/^[A-Za-z0-9_-]{22}$/.test(text)) return text;
    throw new LogtierError('CORRUPT_STATE', `${directory}/${FILE} holds no directory id`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error instanceof LogtierError ? error : diskError(error, `reading ${directory}/${FILE}`);
  }
}
