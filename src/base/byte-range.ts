import { assert } from './assert.ts';

/** Bytes [start, end): half-open, in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export function byteRange(start: number, end: number): ByteRange {
  assert(Number.isSafeInteger(start) && Number.isSafeInteger(end), 'byte range of whole numbers');
  assert(start >= 0 && end >= start, `byte range ${start}..${end} is not half-open`);
  return { start, end };
}

export function rangeBytes(range: ByteRange): number {
  return range.end - range.start;
}

/** Cuts `range` at every multiple of `stepBytes`. */
export function splitRange(range: ByteRange, stepBytes: number): ByteRange[] {
  const pieces: ByteRange[] = [];
  let start = range.start;
  while (start < range.end) {
    const end = Math.min(range.end, (Math.floor(start / stepBytes) + 1) * stepBytes);
    pieces.push({ start, end });
    start = end;
  }
  return pieces;
}
