// Files below the root as keys in order, a page of each directory on the way in memory, resumable.
//
// HDFS sorts a directory by name, keys sort by whole path: 'a-b' (a file) comes before 'a/c', though the
// directory 'a' is listed before it. So a directory waits until no entry with a smaller key can follow.
// Waiting ones are prefixes of each other ('a', 'a-', 'a--'): a stack, never longer than a name.
import { LogtierError, hasCode } from '../../base/errors.ts';
import type { WebhdfsClient } from './webhdfs-client.ts';
import type { FileStatus } from './webhdfs-answers.ts';

export interface TreeBounds {
  /** Path below the root, or its beginning; '' for everything. */
  readonly prefix: string;
  /** Only paths after it; '' from the start. */
  readonly after: string;
  /** A directory of the root that is not listed. */
  readonly hidden: string;
}

export interface Tree {
  readonly client: Pick<WebhdfsClient, 'listBatch' | 'status'>;
  readonly root: string;
  readonly bounds: TreeBounds;
}

export interface FoundFile {
  /** Below the root, escaped (file-name.ts). */
  readonly path: string;
  readonly status: FileStatus;
}

/** Like `status`, without the throw. */
export async function statusIfThere(
  client: Pick<WebhdfsClient, 'status'>,
  path: string,
  signal: AbortSignal,
): Promise<FileStatus | undefined> {
  try {
    return await client.status(path, signal);
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Where a listing of one directory begins: those of `lookups` that exist, then everything after `startAfter`. */
export interface ListStart {
  readonly namePrefix: string;
  readonly lookups: readonly string[];
  readonly startAfter: string;
}

const NOT_A_NAME = new Set(['', '.', '..']);

/**
 * `directory` is '' or ends with '/'. Besides the name where `after` or the prefix lies, directories whose
 * name is a beginning of it may still hold later paths: 'a' when `after` is 'a-b'.
 */
export function listStart(directory: string, bounds: Omit<TreeBounds, 'hidden'>): ListStart {
  const below = (path: string): string =>
    path.startsWith(directory) ? (path.slice(directory.length).split('/', 1)[0] ?? '') : '';
  const namePrefix = below(bounds.prefix);
  const afterName = below(bounds.after);
  const from = afterName > namePrefix ? afterName : namePrefix;
  const lookups: string[] = [];
  for (let length = 1; length <= from.length; length += 1) {
    const name = from.slice(0, length);
    const holdsLater = length === from.length || from.charAt(length) < '/';
    if (holdsLater && name.startsWith(namePrefix) && !NOT_A_NAME.has(name)) lookups.push(name);
  }
  return { namePrefix, lookups, startAfter: from };
}

function mayHold(directory: string, { prefix, after }: TreeBounds): boolean {
  const holdsPrefix = directory.startsWith(prefix) || prefix.startsWith(directory);
  return holdsPrefix && (after.startsWith(directory) || directory > after);
}

async function* pagesAfter(
  tree: Tree,
  directory: string,
  start: ListStart,
  signal: AbortSignal,
): AsyncGenerator<FileStatus> {
  let { startAfter } = start;
  for (;;) {
    const page = await tree.client.listBatch(
      `${tree.root}/${directory}`.replace(/\/$/, ''),
      startAfter,
      signal,
    );
    const fresh = page.entries.filter(({ name }) => startAfter === '' || name > startAfter);
    yield* fresh;
    const last = fresh.at(-1);
    if (page.remaining === 0) return;
    // A server that ignores `startafter` would give the first page for ever.
    if (last === undefined) throw new LogtierError('STORE_REFUSED', 'the listing does not move on');
    startAfter = last.name;
  }
}

/** Entries in the order of their names, as far as they begin with the prefix. */
async function* entriesOf(
  tree: Tree,
  directory: string,
  signal: AbortSignal,
): AsyncGenerator<FileStatus> {
  const start = listStart(directory, tree.bounds);
  for (const name of start.lookups) {
    const found = await statusIfThere(tree.client, `${tree.root}/${directory}${name}`, signal);
    if (found !== undefined) yield { ...found, name };
  }
  try {
    for await (const entry of pagesAfter(tree, directory, start, signal)) {
      if (entry.name === '') return; // the directory was a file: it listed itself
      if (!entry.name.startsWith(start.namePrefix)) return;
      yield entry;
    }
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error; // else: removed meanwhile, or never there
  }
}

async function* walk(
  tree: Tree,
  directory: string,
  signal: AbortSignal,
): AsyncGenerator<FoundFile> {
  const { bounds } = tree;
  const waiting: string[] = [];
  for await (const entry of entriesOf(tree, directory, signal)) {
    const path = `${directory}${entry.name}`;
    const isFile = entry.type === 'FILE';
    yield* walkWaiting(tree, waiting, { before: isFile ? path : `${path}/` }, signal);
    if (!isFile) waiting.push(`${path}/`);
    else if (path.startsWith(bounds.prefix) && path > bounds.after) yield { path, status: entry };
  }
  yield* walkWaiting(tree, waiting, {}, signal);
}

async function* walkWaiting(
  tree: Tree,
  waiting: string[],
  until: { readonly before?: string },
  signal: AbortSignal,
): AsyncGenerator<FoundFile> {
  for (;;) {
    const top = waiting.at(-1);
    if (top === undefined || (until.before !== undefined && top >= until.before)) return;
    waiting.pop();
    if (top !== `${tree.bounds.hidden}/` && mayHold(top, tree.bounds))
      yield* walk(tree, top, signal);
  }
}

/** Files in the order of their paths' bytes. */
export async function* listTree(tree: Tree, signal: AbortSignal): AsyncGenerator<FoundFile> {
  const { prefix, hidden } = tree.bounds;
  const first = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const parts = first.split('/').slice(0, -1);
  if (parts[0] === hidden || parts.some((part) => NOT_A_NAME.has(part))) return;
  if (first !== '' && !mayHold(first, tree.bounds)) return;
  yield* walk(tree, first, signal);
}
