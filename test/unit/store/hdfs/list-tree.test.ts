import { array, assert, asyncProperty, constantFrom, string, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import { listStart, listTree } from '../../../../src/store/hdfs/list-tree.ts';
import type { Tree } from '../../../../src/store/hdfs/list-tree.ts';
import { batchOf, statusOf } from '../../../../src/store/hdfs/webhdfs-answers.ts';
import { refusalError } from '../../../../src/store/hdfs/webhdfs-errors.ts';
import { FakeTree, RemoteFailure } from '../../../support/webhdfs-fake-tree.ts';
import { codeOf, never } from '../../../support/store-probes.ts';

function translated<T>(ask: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      resolve(ask());
    } catch (error) {
      reject(error instanceof RemoteFailure ? refusalError(error, 'asked') : (error as Error));
    }
  });
}

/** A tree of files below `/root`, two entries a page. */
function treeOf(paths: readonly string[]): FakeTree {
  const tree = new FakeTree();
  tree.pageEntries = 2;
  for (const path of paths) {
    tree.create(`/root/${path}`, '3');
    tree.close(`/root/${path}`, Buffer.from('x'));
  }
  return tree;
}

function clientOf(tree: FakeTree): Tree['client'] & { readonly pages: string[] } {
  const pages: string[] = [];
  return {
    pages,
    status: (path) => translated(() => statusOf(JSON.stringify({ FileStatus: tree.status(path) }))),
    listBatch: (path, startAfter) =>
      translated(() => {
        pages.push(`${path} ${startAfter}`);
        return batchOf(JSON.stringify(tree.listBatch(path, startAfter)));
      }),
  };
}

async function listed(client: Tree['client'], prefix: string, after: string): Promise<string[]> {
  const bounds = { prefix, after, hidden: '.uploading' };
  const found: string[] = [];
  for await (const { path } of listTree({ client, root: '/root', bounds }, never)) found.push(path);
  return found;
}

/** Few letters, so that names are often beginnings of each other; '-' and '.' sort before '/'. */
const name = string({
  unit: constantFrom('-', '.', '0', 'a', 'b'),
  minLength: 1,
  maxLength: 3,
}).filter((one) => !/^\.+$/.test(one));
const path = array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

/** No name is a file and a directory. */
function compatible(paths: readonly string[]): string[] {
  return paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
}

test('any tree is listed in the order of its paths, under any prefix, after any point', async () => {
  await assert(
    asyncProperty(uniqueArray(path, { maxLength: 25 }), path, path, async (some, prefix, after) => {
      const paths = compatible(some);
      const client = clientOf(treeOf(paths));
      const sorted = paths.toSorted((left, right) => (left < right ? -1 : 1));
      const below = (one: string): boolean => one.startsWith(prefix);
      expect(await listed(client, '', '')).toEqual(sorted);
      expect(await listed(client, prefix, '')).toEqual(sorted.filter(below));
      expect(await listed(client, '', after)).toEqual(sorted.filter((one) => one > after));
      expect(await listed(client, prefix, after)).toEqual(
        sorted.filter((one) => below(one) && one > after),
      );
    }),
  );
});

test('taking up a listing again does not read what came before', async () => {
  const paths = Array.from({ length: 30 }, (_, index) => `p/${String(index).padStart(2, '0')}`);
  const client = clientOf(treeOf(paths));
  expect(await listed(client, 'p/', 'p/25')).toEqual(paths.slice(26));
  expect(client.pages).toEqual(['/root/p 25', '/root/p 27']);
});

test('a listing begins at the name where it stopped, and at directories that may hold later keys', () => {
  expect(listStart('', { prefix: '', after: 'a-b.c/x' })).toEqual({
    namePrefix: '',
    lookups: ['a', 'a-b', 'a-b.c'],
    startAfter: 'a-b.c',
  });
  expect(listStart('d/', { prefix: 'd/na', after: 'd/a' })).toEqual({
    namePrefix: 'na',
    lookups: ['na'],
    startAfter: 'na',
  });
});

test('temporary files are not listed', async () => {
  const client = clientOf(treeOf(['.uploading/1', 'a/.uploading/2', 'b']));
  expect(await listed(client, '', '')).toEqual(['a/.uploading/2', 'b']);
  expect(await listed(client, '.uploading/', '')).toEqual([]);
});

test.each(['../', 'a/../', './', '/', 'a//b'])(
  'nothing lies under the prefix %j',
  async (prefix) => {
    const tree = treeOf(['a/b']);
    tree.create('/outside', '3');
    expect(await listed(clientOf(tree), prefix, '')).toEqual([]);
  },
);

test('a root that is not there holds nothing', async () => {
  expect(await listed(clientOf(new FakeTree()), '', '')).toEqual([]);
});

test('a server that never gets past its first page is refused', async () => {
  const tree = treeOf(['a', 'b', 'c', 'd']);
  tree.knowsStartAfter = false;
  expect(await codeOf(listed(clientOf(tree), '', ''))).toBe('STORE_REFUSED');
});

test('a server that gives whole directories and ignores where to start is understood', async () => {
  const tree = treeOf(['a', 'b', 'c', 'd']);
  Object.assign(tree, { knowsStartAfter: false, pageEntries: 1000 });
  expect(await listed(clientOf(tree), '', 'b')).toEqual(['c', 'd']);
});
