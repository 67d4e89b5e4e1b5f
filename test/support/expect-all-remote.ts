// What every path through the uploader must end in.
import { expect } from 'vitest';
import { differences } from '../../src/segment/manifest-record.ts';
import { verifySegmentObject } from '../../src/segment/segment-object-verifier.ts';
import { readWholeRange } from '../../src/uploader/orphans.ts';
import type { UploadWorld } from './upload-world.ts';

const signal = new AbortController().signal;

/** Exactly one FINISHED segment for each local one, whole and equal to the record; nothing is forgotten. */
export async function expectAllRemote(world: UploadWorld): Promise<void> {
  const finished = world.finished().toSorted((a, b) => Number(a.startOffset - b.startOffset));
  expect(finished.map(({ startOffset, nextOffset }) => [startOffset, nextOffset])).toEqual(
    world.segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
  );
  for (const [index, record] of finished.entries()) {
    const bytes = world.objects.objects.get(record.objectKey)?.bytes;
    const log = world.segments[index]?.log ?? Buffer.alloc(0);
    expect(bytes?.subarray(0, record.logBytes).equals(log)).toBe(true); // toEqual is slow on MiB
    const { manifest, findings } = await verifySegmentObject(
      record.objectBytes,
      (range, by) => readWholeRange(world.objects, record.objectKey, range, by),
      signal,
    );
    expect(findings).toEqual([]);
    expect(manifest && differences(record, manifest)).toEqual([]);
  }
  expect(world.unaccounted()).toEqual([]);
}
