// Every parser under damage: random cuts, flips, splices and garbage, over files of a real broker.
// Each answer is an error of ours or a result; a batch whose covered bytes changed is never accepted.
import {
  assert,
  constantFrom,
  integer,
  property,
  tuple,
  uint8Array,
  type Arbitrary,
} from 'fast-check';
import { expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { BatchScanner } from '../../../src/kafka/batch-scanner.ts';
import { parseLeaderEpochCheckpoint } from '../../../src/kafka/leader-epoch-checkpoint.ts';
import { parseMetaProperties } from '../../../src/kafka/meta-properties.ts';
import { parseOffsetCheckpoint } from '../../../src/kafka/offset-checkpoint.ts';
import { parseOffsetIndex } from '../../../src/kafka/offset-index.ts';
import { parsePartitionMetadata } from '../../../src/kafka/partition-metadata.ts';
import { parseProducerSnapshot } from '../../../src/kafka/producer-snapshot.ts';
import { parseSegmentFileName, segmentFileName } from '../../../src/kafka/segment-files.ts';
import { parseTimeIndex } from '../../../src/kafka/time-index.ts';
import { parseTransactionIndex } from '../../../src/kafka/transaction-index.ts';
import { goldenFile, goldenNames } from '../../support/golden-kafka.ts';

const DIRECTORY = 'transactions-0';

/** A segment in which transactions were aborted. */
const BASE = baseOfFirstAborted();
const SEGMENT = `${DIRECTORY}/${segmentFileName(BASE, 'log').replace(/\.log$/, '')}`;
const LOG = goldenFile(`${SEGMENT}.log`);
const BOUNDS = { baseOffset: BASE, nextOffset: endOf(LOG), logBytes: LOG.length };

function baseOfFirstAborted(): bigint {
  const files = goldenNames(DIRECTORY).map(parseSegmentFileName);
  return files.find((file) => file?.kind === 'txnindex')!.baseOffset;
}

function endOf(log: Buffer): bigint {
  const scanner = new BatchScanner({ segmentBaseOffset: BASE });
  scanner.push(log);
  return scanner.end().nextOffset;
}

const PARSERS: Record<string, [file: string, parse: (bytes: Buffer) => unknown]> = {
  log: [`${SEGMENT}.log`, scan],
  index: [`${SEGMENT}.index`, (bytes) => parseOffsetIndex(bytes, BOUNDS)],
  timeindex: [`${SEGMENT}.timeindex`, (bytes) => parseTimeIndex(bytes, BOUNDS)],
  txnindex: [`${SEGMENT}.txnindex`, parseTransactionIndex],
  snapshot: [`${SEGMENT}.snapshot`, parseProducerSnapshot],
  epochs: [
    `${DIRECTORY}/leader-epoch-checkpoint`,
    (bytes) => parseLeaderEpochCheckpoint(bytes.toString()),
  ],
  offsets: ['replication-offset-checkpoint', (bytes) => parseOffsetCheckpoint(bytes.toString())],
  metadata: [
    `${DIRECTORY}/partition.metadata`,
    (bytes) => parsePartitionMetadata(bytes.toString()),
  ],
  properties: ['meta.properties', (bytes) => parseMetaProperties(bytes.toString())],
};

function scan(log: Buffer): unknown {
  const scanner = new BatchScanner({ segmentBaseOffset: BASE });
  const batches = scanner.push(log);
  return { batches, end: scanner.end() };
}

type Damage = (bytes: Buffer) => Buffer;

const share = integer({ min: 0, max: 9_999 });

function placeIn(bytes: Buffer, tenThousandth: number): number {
  return Math.floor((bytes.length * tenThousandth) / 10_000);
}

const flip: Arbitrary<Damage> = tuple(share, integer({ min: 0, max: 7 })).map(
  ([at, bit]) =>
    (bytes) => {
      const damaged = Buffer.from(bytes);
      damaged[placeIn(bytes, at)]! ^= 1 << bit;
      return damaged;
    },
);
const cut: Arbitrary<Damage> = share.map((at) => (bytes) => bytes.subarray(0, placeIn(bytes, at)));
const splice: Arbitrary<Damage> = tuple(share, share, uint8Array({ maxLength: 40 })).map(
  ([from, to, middle]) =>
    (bytes) =>
      Buffer.concat([
        bytes.subarray(0, placeIn(bytes, from)),
        middle,
        bytes.subarray(placeIn(bytes, to)),
      ]),
);
const garbage: Arbitrary<Damage> = uint8Array({ maxLength: 400 }).map(
  (bytes) => () => Buffer.from(bytes),
);

const damages = constantFrom(flip, cut, splice, garbage).chain((kind) => kind);

test.each(Object.entries(PARSERS))(
  'a damaged %s is a typed error or a result',
  (_, [file, parse]) => {
    const good = goldenFile(file);
    expect(parse(good)).toBeDefined();
    assert(
      property(damages, (damage) => {
        try {
          parse(damage(good));
        } catch (error) {
          const codes = [
            'CORRUPT_BATCH',
            'CORRUPT_FILE',
            'TRUNCATED_FILE',
            'UNSUPPORTED_FORMAT',
          ] as const;
          if (!hasCode(error, ...codes)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  },
);

test('a flip in a log is either outside the CRC of its batch or found', () => {
  const good = goldenFile(`${SEGMENT}.log`);
  const starts = new BatchScanner({ segmentBaseOffset: BASE })
    .push(good)
    .map((batch) => batch.position);
  assert(
    property(integer({ min: 0, max: good.length * 8 - 1 }), (bit) => {
      const at = bit >> 3;
      const start = starts.findLast((position) => position <= at)!;
      const damaged = Buffer.from(good);
      damaged[at]! ^= 1 << (bit & 7);
      let code: unknown = 'accepted';
      try {
        scan(damaged);
      } catch (error) {
        code = hasCode(error, 'CORRUPT_BATCH') ? error.code : error;
      }
      if (at - start >= 17) expect(code).toBe('CORRUPT_BATCH');
    }),
    { numRuns: 1000 },
  );
});
