import { diskError, type Disk } from './disk.ts';

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
