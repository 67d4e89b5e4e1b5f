import { z } from 'zod';
import { duration } from '../../base/units.ts';

export const metastoreClientSettings = z.strictObject({
  firstRetryMs: duration('50ms').describe('Wait before a call is repeated; each next one doubles.'),
  longestRetryMs: duration('2s').describe('Upper bound of that wait.'),
  queuedCommands: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Commands that wait for the metastore before OVERLOADED.'),
  freshMs: duration('10s').describe('A view that heard nothing newer answers NOT_READY.'),
  completeMs: duration('10s').describe('How long a caller waits for a partition to be loaded.'),
  loadsInFlight: z.int().min(1).max(64).default(4).describe('Partitions loaded at once.'),
});
export type MetastoreClientSettings = z.output<typeof metastoreClientSettings>;

/** Who this client is to the metastore. */
export interface ClientIdentity {
  /** Kafka's cluster id. */
  readonly clusterId: string;
  /** -1 for an operator's tool. */
  readonly brokerId: number;
  /** Fresh random text of one process life: decides which of two sidecars is younger (safety rule 27). */
  readonly instance: string;
}
