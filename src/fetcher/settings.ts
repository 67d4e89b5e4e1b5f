import { z } from 'zod';
import { byteSize, duration } from '../base/units.ts';

/** The `fetcher:` section. */
export const fetcherSettings = z
  .strictObject({
    defaultBytes: byteSize('16MiB').describe('Bytes of one answer when the reader names no limit.'),
    largestBytes: byteSize('256MiB').describe('Upper bound of what a reader may ask for at once.'),
    streamsAtOnce: z
      .int()
      .min(1)
      .max(10_000)
      .prefault(128)
      .describe('Answers under way; each buffers at most 6MiB. More are refused.'),
    coldReadsPerPartition: z
      .int()
      .min(1)
      .max(64)
      .prefault(4)
      .describe('Reads of one partition that wait for the object store at once.'),
    readAheadChunks: z
      .int()
      .min(0)
      .max(16)
      .prefault(3)
      .describe('Chunks of 4MiB loaded ahead of a reader that goes on where it ended.'),
    indexBytes: byteSize('64MiB').describe('Manifests and indexes of segments kept in memory.'),
    brokerWaitMs: duration('2s').describe(
      'Longest wait for what the broker says of its offsets; then it is taken as unknown.',
    ),
    localStartFreshMs: duration('1s').describe(
      'How long the broker’s first local offset may serve to answer from the remote tier.',
    ),
  })
  .prefault({});

export type FetcherSettings = z.output<typeof fetcherSettings>;
