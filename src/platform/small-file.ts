// Small files that are read whole and replaced whole.
import { diskError, type Disk, errnoOf } from './disk.ts';

/** Undefined where there is none. */
export async function readText(
  disk: Disk,
  directory: string,
  name: string,
): Promise<string | undefined> {
  try {
    return (await disk.readFile(`${directory}/${name}`)).toString('utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw diskError(error, `reading ${directory}/${name}`);
  }
}

/** Whole or as before, and durable: written aside, synced, renamed. */
export async function replaceFile(
  disk: Disk,
  directory: string,
  name: string,
  text: string,
): Promise<void> {
  const aside = `${directory}/${name}.tmp`;
  try {
    const file = await disk.open(aside, 'write');
    try {
      await file.truncate(0);
      await file.write(Buffer.from(text), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(aside, `${directory}/${name}`);
    await disk.syncDirectory(directory);
  } catch (error) {
    throw diskError(error, `writing ${directory}/${name}`);
  }
}
