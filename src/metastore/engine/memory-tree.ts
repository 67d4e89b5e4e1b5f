// An immutable ordered map from bytes to bytes: a treap whose priorities are hashes of the keys.
//
// A write copies the path to what it changes, so an old root stays a snapshot for free. The shape
// depends on the keys alone: the same history gives the same tree on every run of the simulator.
import { compareBytes } from './byte-order.ts';

export interface TreeNode {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly priority: number;
  readonly left: Tree;
  readonly right: Tree;
}

export type Tree = TreeNode | undefined;

export function findIn(tree: Tree, key: Uint8Array): Uint8Array | undefined {
  let node = tree;
  while (node !== undefined) {
    const order = compareBytes(key, node.key);
    if (order === 0) return node.value;
    node = order < 0 ? node.left : node.right;
  }
  return undefined;
}

export function withEntry(tree: Tree, key: Uint8Array, value: Uint8Array): TreeNode {
  return insert(tree, { key, value, priority: hashOf(key), left: undefined, right: undefined });
}

export function withoutKey(tree: Tree, key: Uint8Array): Tree {
  if (tree === undefined) return undefined;
  const order = compareBytes(key, tree.key);
  if (order === 0) return joined(tree.left, tree.right);
  return order < 0
    ? { ...tree, left: withoutKey(tree.left, key) }
    : { ...tree, right: withoutKey(tree.right, key) };
}

/** Without the keys in [from, to). */
export function withoutRange(tree: Tree, from: Uint8Array, to: Uint8Array): Tree {
  const [below, rest] = splitAt(tree, from);
  const [, above] = splitAt(rest, to);
  return joined(below, above);
}

/** Entries of [from, to), in order or in reverse. */
export function* entriesIn(
  tree: Tree,
  from: Uint8Array,
  to: Uint8Array,
  reverse: boolean,
): Generator<TreeNode, void, undefined> {
  if (tree === undefined) return;
  const reachesLeft = compareBytes(from, tree.key) < 0;
  const reachesRight = compareBytes(tree.key, to) < 0;
  const isInside = compareBytes(from, tree.key) <= 0 && reachesRight;
  const left = reachesLeft ? tree.left : undefined;
  const right = reachesRight ? tree.right : undefined;
  yield* entriesIn(reverse ? right : left, from, to, reverse);
  if (isInside) yield tree;
  yield* entriesIn(reverse ? left : right, from, to, reverse);
}

function insert(tree: Tree, entry: TreeNode): TreeNode {
  if (tree === undefined) return entry;
  const order = compareBytes(entry.key, tree.key);
  if (order === 0) return { ...tree, value: entry.value };
  if (entry.priority > tree.priority) {
    // The key is not below: it would carry this same priority.
    const [left, rest] = splitAt(tree, entry.key);
    return { ...entry, left, right: rest };
  }
  return order < 0
    ? { ...tree, left: insert(tree.left, entry) }
    : { ...tree, right: insert(tree.right, entry) };
}

/** Keys below `key`, and the others. */
function splitAt(tree: Tree, key: Uint8Array): [Tree, Tree] {
  if (tree === undefined) return [undefined, undefined];
  if (compareBytes(tree.key, key) < 0) {
    const [below, rest] = splitAt(tree.right, key);
    return [{ ...tree, right: below }, rest];
  }
  const [below, rest] = splitAt(tree.left, key);
  return [below, { ...tree, left: rest }];
}

/** Every key of `below` sorts before every key of `above`. */
function joined(below: Tree, above: Tree): Tree {
  if (below === undefined) return above;
  if (above === undefined) return below;
  return below.priority > above.priority
    ? { ...below, right: joined(below.right, above) }
    : { ...above, left: joined(below, above.left) };
}

/** FNV-1a, then murmur3's finisher: neighbouring keys get unrelated priorities. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
