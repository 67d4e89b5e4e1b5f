// Unsigned byte order, the order of every engine.

export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function isEmptyRange(from: Uint8Array, to: Uint8Array): boolean {
  return compareBytes(from, to) >= 0;
}
