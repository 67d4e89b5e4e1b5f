import { z } from 'zod';
import { byteSize, duration, someBytes } from '../base/units.ts';

const DEFAULT_SIZE_BYTES = 2 * 2 ** 30;
const EMBEDDED_SIZE_BYTES = 256 * 2 ** 20;

/** The `cache:` section. */
export const cacheSettings = z
  .strictObject({
    dir: z
      .string()
      .startsWith('/', 'must be an absolute path')
      .optional()
      .describe('Directory of the slot file; default: `cache` in `state.dir`.'),
    sizeBytes: someBytes()
      .optional()
      .describe(
        'Size of the slot file, written in full at the first start; 0B: no disk tier. Default: 2GiB, and 256MiB with an embedded metastore.',
      ),
    memoryBytes: byteSize('32MiB').describe(
      'Chunks in memory: those being loaded or checked, and the last ones read. At least 16MiB.',
    ),
    loadsWaiting: z
      .int()
      .min(1)
      .max(100_000)
      .prefault(1_000)
      .describe('Reads that may wait for a place to load a chunk; more are refused.'),
    syncIntervalMs: duration('30s').describe('Between two fdatasync of the slot file.'),
  })
  .refine((s) => s.memoryBytes >= 16 * 2 ** 20, {
    path: ['memoryBytes'],
    error: 'must be at least 16MiB',
  })
  .prefault({});

export type CacheSettings = z.output<typeof cacheSettings>;

/** What the section leaves open, decided once by who wires the process. */
export interface CachePlace {
  readonly directory: string;
  readonly sizeBytes: number;
}

export function cachePlace(
  settings: CacheSettings,
  stateDirectory: string,
  isEmbedded: boolean,
): CachePlace {
  const fallback = isEmbedded ? EMBEDDED_SIZE_BYTES : DEFAULT_SIZE_BYTES;
  return {
    directory: settings.dir ?? `${stateDirectory}/cache`,
    sizeBytes: settings.sizeBytes ?? fallback,
  };
}
