import { z } from 'zod';
import { byteSize, duration } from '../../base/units.ts';

export const walSettings = z.strictObject({
  fileBytes: byteSize('64MiB').describe('Size of one log file, written with zeros ahead of use.'),
  batchBytes: byteSize('8MiB').describe('Bytes that one fdatasync covers at most.'),
  queuedBytes: byteSize('64MiB').describe(
    'Bytes that wait for the disk before a proposal is OVERLOADED.',
  ),
  markMs: duration('1s').describe('Wait before an idle log notes on disk what it knows durable.'),
});
export type WalSettings = z.output<typeof walSettings>;
