import { z } from 'zod';
import { byteSize, duration } from '../../base/units.ts';
import { raftLogSettings } from '../log/raft-log/settings.ts';

export const memberSettings = z.strictObject({
  flushMs: duration('30s').describe(
    'Wait between flushes of the catalog; the log is cut after each.',
  ),
  flushBytes: byteSize('64MiB').describe('Commands applied that bring a flush forward.'),
  tickMs: duration('10s').describe(
    'How often the replicated clock moves when nothing else happens.',
  ),
  keptRevisions: z
    .int()
    .min(1_000)
    .max(100_000_000)
    .default(1_000_000)
    .describe('History kept in the change feed, in entries of the log.'),
  proposalsInFlight: z
    .int()
    // One call may bring as many: with fewer it would be refused as often as it is repeated.
    .min(1_024)
    .max(100_000)
    .default(8_192)
    .describe('Commands that wait for the log before OVERLOADED.'),
  epochIndexBytes: byteSize('256MiB').describe(
    'Memory for look-ups by epoch and offset: 32 bytes a segment.',
  ),
  log: raftLogSettings.prefault({}),
});
export type MemberSettings = z.output<typeof memberSettings>;
