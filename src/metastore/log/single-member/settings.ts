import { z } from 'zod';
import { byteSize } from '../../../base/units.ts';
import { walSettings } from '../../wal/settings.ts';

export const singleMemberLogSettings = z.strictObject({
  wal: walSettings.prefault({}),
  maxCommandBytes: byteSize('512KiB').describe(
    'Largest command; the same for every home of the log.',
  ),
  tailBytes: byteSize('8MiB').describe('Newest commands kept in memory for who applies them.'),
  readBytes: byteSize('1MiB').describe('Commands handed out at once, about.'),
});
export type SingleMemberLogSettings = z.output<typeof singleMemberLogSettings>;
