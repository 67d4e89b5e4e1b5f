// Our reading of a real broker's files against Apache's: DumpLogSegments, and what its consumer got.
import { expect, test } from 'vitest';
import { decompress } from '../../src/base/decompress.ts';
import { BatchScanner, type ScannedBatch } from '../../src/kafka/batch-scanner.ts';
import { IndexRebuilder } from '../../src/kafka/index-rebuild.ts';
import { parseLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import { fitsLineage } from '../../src/kafka/lineage.ts';
import { parseMetaProperties } from '../../src/kafka/meta-properties.ts';
import { parseOffsetCheckpoint } from '../../src/kafka/offset-checkpoint.ts';
import { parseOffsetIndex } from '../../src/kafka/offset-index.ts';
import { parsePartitionDirectory } from '../../src/kafka/partition-directory.ts';
import { parsePartitionMetadata } from '../../src/kafka/partition-metadata.ts';
import { parseProducerSnapshot } from '../../src/kafka/producer-snapshot.ts';
import { controlMarkerKind, decodeRecords, type KafkaRecord } from '../../src/kafka/records.ts';
import { parseSegmentFileName, type SegmentFileKind } from '../../src/kafka/segment-files.ts';
import { SegmentSummarizer } from '../../src/kafka/segment-summary.ts';
import { parseTimeIndex } from '../../src/kafka/time-index.ts';
import { collectAborted, parseTransactionIndex } from '../../src/kafka/transaction-index.ts';
import { goldenDump, goldenFacts, goldenFile, goldenNames } from '../support/golden-kafka.ts';
import { RecordsDigest } from '../support/workload-content.ts';

/** Of the broker's settings in scripts/golden-kafka.ts. */
const INDEX_INTERVAL_BYTES = 2048;
const OTHER_FILES = ['leader-epoch-checkpoint', 'partition.metadata'];

const facts = goldenFacts();
const directories = goldenNames('.').filter((name) => parsePartitionDirectory(name) !== undefined);

function filesOf(directory: string, kind: SegmentFileKind): { name: string; baseOffset: bigint }[] {
  return goldenNames(directory).flatMap((name) => {
    const file = parseSegmentFileName(name);
    return file?.kind === kind ? [{ name, baseOffset: file.baseOffset }] : [];
  });
}

function segmentsOf(directory: string) {
  return filesOf(directory, 'log').map(({ name, baseOffset }) => {
    const log = goldenFile(`${directory}/${name}`);
    const scanner = new BatchScanner({ segmentBaseOffset: baseOffset });
    const summarizer = new SegmentSummarizer(baseOffset);
    const rebuilder = new IndexRebuilder(baseOffset, INDEX_INTERVAL_BYTES);
    const batches: ScannedBatch[] = [];
    for (let at = 0; at < log.length; at += 1000) {
      batches.push(...scanner.push(log.subarray(at, at + 1000)));
    }
    for (const batch of batches) {
      summarizer.add(batch);
      rebuilder.add(batch);
    }
    const { nextOffset } = scanner.end();
    return {
      name,
      baseOffset,
      nextOffset,
      log,
      batches,
      summary: summarizer.summary(),
      rebuilt: rebuilder.finish(),
    };
  });
}

type Segment = ReturnType<typeof segmentsOf>[number];

function recordsOf(segment: Segment, batch: ScannedBatch): Promise<KafkaRecord[]> {
  const bytes = segment.log.subarray(batch.position, batch.position + batch.batchBytes);
  return decodeRecords(decompress, { header: batch, bytes });
}

function sibling(directory: string, segment: Segment, kind: SegmentFileKind): Buffer {
  return goldenFile(`${directory}/${segment.name.replace(/log$/, kind)}`);
}

/** `a: 1 b: x` of the tool as an object of texts. */
function fieldsOf(line: string): Record<string, string> {
  const pairs = [...line.matchAll(/(\w+): (\[[^\]]*\]|\S+)/g)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}

function dumpOf(directory: string, name: string, prefix: string): Record<string, string>[] {
  const lines = goldenDump(directory).get(name);
  expect(lines, name).toBeDefined();
  return lines!.filter((line) => line.startsWith(prefix)).map(fieldsOf);
}

test('all six partitions are there, and every file in them is known', () => {
  expect(directories).toHaveLength(6);
  for (const directory of directories) {
    const unknown = goldenNames(directory).filter(
      (name) => parseSegmentFileName(name) === undefined,
    );
    expect(unknown).toEqual(OTHER_FILES);
    expect(segmentsOf(directory).length).toBeGreaterThan(1);
  }
});

test.each(directories)('%s: batches are what DumpLogSegments says', (directory) => {
  for (const segment of segmentsOf(directory)) {
    const told = segment.batches.map((batch) => ({
      baseOffset: String(batch.baseOffset),
      lastOffset: String(batch.lastOffset),
      count: String(batch.recordsCount),
      baseSequence: String(batch.baseSequence),
      producerId: String(batch.producerId),
      producerEpoch: String(batch.producerEpoch),
      partitionLeaderEpoch: String(batch.partitionLeaderEpoch),
      isTransactional: String(batch.isTransactional),
      isControl: String(batch.isControl),
      position: String(batch.position),
      CreateTime: String(batch.maxTimestampMs),
      size: String(batch.batchBytes),
      magic: String(batch.magic),
      compresscodec: batch.codec,
      crc: String(batch.crc),
    }));
    const dump = dumpOf(directory, segment.name, 'baseOffset:');
    expect(told.length).toBe(dump.length);
    dump.forEach((line, index) => expect(line).toMatchObject(told[index]!));
  }
});

test.each(directories)('%s: records are what DumpLogSegments says', async (directory) => {
  for (const segment of segmentsOf(directory)) {
    const told: Record<string, string>[] = [];
    for (const batch of segment.batches) {
      for (const record of await recordsOf(segment, batch)) {
        const kind = batch.isControl ? controlMarkerKind(record) : undefined;
        told.push({
          offset: String(record.offset),
          CreateTime: String(record.timestampMs),
          keySize: String(record.key?.length ?? -1),
          valueSize: String(record.value?.length ?? -1),
          headerKeys: `[${record.headers.map((header) => header.key).join(',')}]`,
          ...(kind === undefined ? {} : { endTxnMarker: kind.toUpperCase() }),
        });
      }
    }
    const dump = dumpOf(directory, segment.name, '| offset:');
    expect(told.length).toBe(dump.length);
    dump.forEach((line, index) => expect(line).toMatchObject(told[index]!));
  }
});

/** What a consumer delivers: control batches never, aborted transactions not when committed is asked for. */
async function consume(directory: string, isCommitted: boolean): Promise<RecordsDigest> {
  const digest = new RecordsDigest();
  const segments = segmentsOf(directory);
  for (const [index, segment] of segments.entries()) {
    const aborted = isCommitted ? abortedIn(directory, segments.slice(index)) : [];
    const data = segment.batches.filter((batch) => !batch.isControl);
    for (const batch of data) {
      const isDropped = aborted.some(
        (one) =>
          batch.isTransactional &&
          one.producerId === batch.producerId &&
          one.firstOffset <= batch.baseOffset &&
          batch.lastOffset < one.lastOffset,
      );
      if (isDropped) continue;
      for (const record of await recordsOf(segment, batch)) digest.add(record.offset, record);
    }
  }
  return digest;
}

/** Of the first segment: its own index, then the following ones until the search is complete. */
function abortedIn(directory: string, segments: readonly Segment[]) {
  const [first] = segments;
  const found = [];
  for (const segment of segments) {
    const name = segment.name.replace(/log$/, 'txnindex');
    if (!goldenNames(directory).includes(name)) continue;
    const entries = parseTransactionIndex(goldenFile(`${directory}/${name}`));
    const { aborted, isComplete } = collectAborted(entries, first!.baseOffset, first!.nextOffset);
    found.push(...aborted);
    if (isComplete) break;
  }
  return found;
}

test.each(facts.reads)(
  "$directory: what is read $isolation is what Apache's consumer read",
  async ({ directory, isolation, count, sha256, logEnd }) => {
    const digest = await consume(directory, isolation === 'read_committed');
    expect(digest.summary()).toMatchObject({ count, sha256 });
    expect(segmentsOf(directory).at(-1)?.nextOffset).toBe(BigInt(logEnd));
  },
);

test.each(directories)('%s: indexes are what DumpLogSegments says', (directory) => {
  for (const segment of segmentsOf(directory)) {
    const bounds = { ...segment, logBytes: segment.log.length };
    const positions = parseOffsetIndex(sibling(directory, segment, 'index'), bounds);
    expect(
      positions.map((entry) => ({ offset: `${entry.offset}`, position: `${entry.position}` })),
    ).toEqual(dumpOf(directory, segment.name.replace(/log$/, 'index'), 'offset:'));
    const times = parseTimeIndex(sibling(directory, segment, 'timeindex'), bounds);
    expect(
      times.map((entry) => ({ timestamp: `${entry.timestampMs}`, offset: `${entry.offset}` })),
    ).toEqual(dumpOf(directory, segment.name.replace(/log$/, 'timeindex'), 'timestamp:'));
    expect(times.at(-1)).toEqual({
      timestampMs: segment.summary.maxTimestampMs,
      offset: segment.summary.offsetOfMaxTimestamp,
    });
  }
});

test.each(directories)("%s: indexes rebuilt from the log are the broker's own", (directory) => {
  const snapshots = filesOf(directory, 'snapshot').map((file) => file.baseOffset);
  const wasRestarted = (segment: Segment) =>
    snapshots.some((offset) => segment.baseOffset < offset && offset < segment.nextOffset);
  // A restart forgets how far the last entry lies back, and adds an entry of its own.
  const undisturbed = segmentsOf(directory).filter((segment) => !wasRestarted(segment));
  expect(undisturbed.length).toBeGreaterThan(0);
  for (const segment of undisturbed) {
    expect(Buffer.from(segment.rebuilt.offsetIndex)).toEqual(sibling(directory, segment, 'index'));
    expect(Buffer.from(segment.rebuilt.timeIndex)).toEqual(
      sibling(directory, segment, 'timeindex'),
    );
  }
});

test('aborted transactions are what DumpLogSegments says', () => {
  const files = filesOf('transactions-0', 'txnindex');
  expect(files.length).toBeGreaterThan(2);
  for (const { name } of files) {
    const entries = parseTransactionIndex(goldenFile(`transactions-0/${name}`));
    const told = entries.map((entry) => ({
      version: '0',
      producerId: `${entry.producerId}`,
      firstOffset: `${entry.firstOffset}`,
      lastOffset: `${entry.lastOffset}`,
      lastStableOffset: `${entry.lastStableOffset}`,
    }));
    expect(told).toEqual(dumpOf('transactions-0', name, 'version:'));
  }
});

test.each(directories)('%s: producers are what DumpLogSegments says', (directory) => {
  for (const { name } of filesOf(directory, 'snapshot')) {
    const producers = parseProducerSnapshot(goldenFile(`${directory}/${name}`));
    const told = producers.map((producer) => ({
      producerId: `${producer.producerId}`,
      producerEpoch: `${producer.producerEpoch}`,
      coordinatorEpoch: `${producer.coordinatorEpoch}`,
      currentTxnFirstOffset:
        producer.openTransactionStart === undefined
          ? 'OptionalLong.empty'
          : `OptionalLong[${producer.openTransactionStart}]`,
      lastTimestamp: `${producer.timestampMs}`,
    }));
    const dump = dumpOf(directory, name, 'producerId:');
    const open = dump.map((line) => line['currentTxnFirstOffset']);
    expect(told.length).toBe(dump.length);
    dump.forEach((line, index) => {
      expect({ ...line, currentTxnFirstOffset: open[index] }).toMatchObject(told[index]!);
    });
  }
});

test.each(directories)('%s: the epochs of the batches fit the checkpoint', (directory) => {
  const text = goldenFile(`${directory}/leader-epoch-checkpoint`).toString();
  const lineage = parseLeaderEpochCheckpoint(text);
  expect(lineage).toHaveLength(2);
  for (const { summary } of segmentsOf(directory)) {
    expect(fitsLineage(summary, lineage)).toBe(true);
    expect(summary.epochs[0]?.startOffset).toBe(summary.startOffset);
  }
});

test('the identity of cluster and topics is read from the files', () => {
  expect(parseMetaProperties(goldenFile('meta.properties').toString())).toMatchObject({
    clusterId: facts.clusterId,
    nodeId: 1,
    directoryId: expect.stringMatching(/^.{22}$/),
  });
  for (const directory of directories) {
    const id = parsePartitionMetadata(goldenFile(`${directory}/partition.metadata`).toString());
    expect(id).toBe(facts.topicIds[parsePartitionDirectory(directory)!.topic]);
  }
});

test('checkpoints name the end of each log', () => {
  for (const name of ['replication-offset-checkpoint', 'recovery-point-offset-checkpoint']) {
    const offsets = parseOffsetCheckpoint(goldenFile(name).toString());
    for (const { directory, logEnd } of facts.reads) {
      expect(offsets.get(directory)?.offset).toBe(BigInt(logEnd));
    }
  }
  expect(parseOffsetCheckpoint(goldenFile('log-start-offset-checkpoint').toString()).size).toBe(0);
});
