// Which of a member's engine directories is the catalog: `db`, until a snapshot is installed beside it as
// `db.<index>` and the file CURRENT names that one. What CURRENT does not name is a leftover.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk } from '../../platform/disk.ts';
import type { LogIndex } from '../log/replicated-log.ts';
import { readText, replaceFile } from '../../platform/small-file.ts';

const POINTER = 'CURRENT';
const FIRST = 'db';
const ENGINE_NAME = /^db(?:\.(\d{1,20}))?$/;

export function isEngineName(name: string): boolean {
  return ENGINE_NAME.test(name);
}

export function nameInstalledAt(index: LogIndex): string {
  return `${FIRST}.${index}`;
}

/** 0 for the engine that began with the log. */
export function indexOfInstall(name: string): LogIndex {
  return BigInt(ENGINE_NAME.exec(name)?.[1] ?? 0);
}

/** Refuses to begin anew where another engine lies. */
export async function currentEngineName(disk: Disk, directory: string): Promise<string> {
  const names = await namesIn(disk, directory);
  const pointed = await readPointer(disk, directory);
  const name = pointed ?? FIRST;
  const engines = names.filter(isEngineName);
  if (engines.includes(name) || (pointed === undefined && engines.length === 0)) return name;
  const what =
    pointed === undefined
      ? `${directory}/${POINTER} is missing beside ${engines.join(', ')}`
      : `${directory}/${POINTER} names ${name}, which is not there`;
  throw new LogtierError('CORRUPT_STATE', what, {
    hint: 'restore the whole directory from one backup, or let this member join anew',
  });
}

export async function pointTo(disk: Disk, directory: string, name: string): Promise<void> {
  await replaceFile(disk, directory, POINTER, `${name}\n`);
}

/** Engine directories other than `current`. */
export async function leftoverEngines(
  disk: Disk,
  directory: string,
  current: string,
): Promise<readonly string[]> {
  const names = await namesIn(disk, directory);
  return names.filter((name) => isEngineName(name) && name !== current);
}

async function readPointer(disk: Disk, directory: string): Promise<string | undefined> {
  const text = await readText(disk, directory, POINTER);
  if (text === undefined) return undefined;
  const name = text.trimEnd();
  if (isEngineName(name) && text === `${name}\n`) return name;
  throw new LogtierError('CORRUPT_STATE', `${directory}/${POINTER} names no engine`, {
    hint: 'restore the whole directory from one backup, or let this member join anew',
  });
}

async function namesIn(disk: Disk, directory: string): Promise<readonly string[]> {
  try {
    return (await disk.list(directory)).map(({ name }) => name);
  } catch (error) {
    throw diskError(error, `listing ${directory}`);
  }
}
