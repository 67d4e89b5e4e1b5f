// The `stores:` section, one entry a store, and the `transfer:` section that holds for all of them.
import { z } from 'zod';
import { duration, someBytes } from '../base/units.ts';
import { hdfsStoreSettings } from './hdfs/settings.ts';
import { s3StoreSettings } from './s3/settings.ts';

export const filesystemStoreSettings = z.strictObject({
  kind: z.literal('filesystem').describe('Objects are files under a directory.'),
  directory: z
    .string()
    .startsWith('/', 'must be an absolute path')
    .describe('Directory that holds the objects; it must exist. Nothing else may write there.'),
});

/** One entry of `stores:`. docs/configuration.md is printed from it; unknown keys are refused. */
export const storeSettings = z.discriminatedUnion('kind', [
  filesystemStoreSettings,
  s3StoreSettings,
  hdfsStoreSettings,
]);
export type StoreSettings = z.output<typeof storeSettings>;

/** The `transfer:` section: what holds for every store. */
export const transferSettings = z
  .strictObject({
    uploadBytesPerSecond: someBytes()
      .refine((bytes) => bytes >= 1024, 'must be at least 1KiB')
      .optional()
      .describe('Upper bound of all uploads of this process together. Absent: none.'),
    firstRetryMs: duration('200ms').describe('Wait before the first retry; each next one doubles.'),
    longestRetryMs: duration('10s').describe('Upper bound of that wait.'),
    retries: z
      .int()
      .min(0)
      .max(100)
      .default(5)
      .describe('Repeats of one call that makes no progress, before its flow is told.'),
    retryForMs: duration('10m').describe(
      'No repeat starts later than this after the call; must be well below the late window of the eraser.',
    ),
  })
  .refine((s) => s.firstRetryMs <= s.longestRetryMs, {
    path: ['firstRetryMs'],
    error: 'must not exceed longestRetryMs',
  })
  .prefault({});
