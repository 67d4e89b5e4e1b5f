// Closed segments of a real broker through the uploader's eyes: nothing of theirs is doubted, and what is made
// anew from the log is what the broker wrote.
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parsePartitionMetadata } from '../../src/kafka/partition-metadata.ts';
import { parseSegmentFileName, segmentFileName } from '../../src/kafka/segment-files.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { topicId } from '../../src/segment/ids.ts';
import { closedSegments } from '../../src/uploader/closed-segments.ts';
import { openLocalSegment } from '../../src/uploader/local-segment.ts';
import { readSegmentSource } from '../../src/uploader/segment-source.ts';
import { goldenFile, goldenNames } from '../support/golden-kafka.ts';

const signal = new AbortController().signal;
const directories = goldenNames('').filter((name) => /-\d+$/.test(name));
let root = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'logtier-golden-'));
  await cp(fileURLToPath(new URL('kafka/data/', import.meta.url)), root, { recursive: true });
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** The broker was stopped cleanly: the newest snapshot is where the last segment ends. */
async function closeLast(directory: string): Promise<void> {
  const ends = goldenNames(directory).flatMap((name) => {
    const parsed = parseSegmentFileName(name);
    return parsed?.kind === 'snapshot' ? [parsed.baseOffset] : [];
  });
  const end = ends.reduce((most, offset) => (offset > most ? offset : most), 0n);
  await writeFile(join(root, directory, segmentFileName(end, 'log')), '');
}

async function sources(directory: string, mayRebuild: boolean) {
  const path = join(root, directory);
  const files = (await nodeDisk.list(path)).map(({ name }) => ({ name, sizeBytes: undefined }));
  const metadata = goldenFile(`${directory}/partition.metadata`).toString();
  const found = [];
  for (const { startOffset, nextOffset } of closedSegments(directory, files).closed) {
    const id = topicId(parsePartitionMetadata(metadata));
    const place = { directory: path, topicId: id, startOffset, nextOffset };
    const local = await openLocalSegment(nodeDisk, place);
    found.push({ place, source: await readSegmentSource(local, { mayRebuild }, signal) });
    await local.close();
  }
  return found;
}

test.each(directories)('every segment of %s is taken as the broker wrote it', async (directory) => {
  await closeLast(directory);
  const found = await sources(directory, true);
  expect(found.length).toBeGreaterThan(0);
  for (const { place, source } of found) {
    const names = goldenNames(directory);
    const file = (kind: Parameters<typeof segmentFileName>[1], offset = place.startOffset) => {
      const name = segmentFileName(offset, kind);
      return names.includes(name) ? goldenFile(`${directory}/${name}`) : undefined;
    };
    expect(source.rebuilt).toBe(false);
    expect(source.noProducerSnapshot).toBe(file('snapshot', place.nextOffset) === undefined);
    expect(source.summary.nextOffset).toBe(place.nextOffset);
    expect(source.sections).toMatchObject({
      offsetIndex: file('index'),
      timeIndex: file('timeindex'),
      transactionIndex: file('txnindex'),
    });
  }
});

test('transaction indexes made anew are those of the broker', async () => {
  let compared = 0;
  for (const directory of directories) {
    const names = goldenNames(directory).filter((name) => name.endsWith('.txnindex'));
    for (const name of names) await rm(join(root, directory, name));
    for (const { place, source } of names.length === 0 ? [] : await sources(directory, true)) {
      const name = segmentFileName(place.startOffset, 'txnindex');
      const written = names.includes(name) ? goldenFile(`${directory}/${name}`) : undefined;
      const made = source.sections.transactionIndex;
      expect(made && Buffer.from(made)).toEqual(written);
      compared += written === undefined ? 0 : 1;
    }
  }
  expect(compared).toBeGreaterThan(0);
});
