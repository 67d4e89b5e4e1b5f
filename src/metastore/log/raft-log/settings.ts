import { z } from 'zod';
import { byteSize, duration } from '../../../base/units.ts';
import { walSettings } from '../../wal/settings.ts';

export const raftLogSettings = z.strictObject({
  wal: walSettings.prefault({}),
  maxCommandBytes: byteSize('512KiB').describe(
    'Largest command; the same for every home of the log.',
  ),
  tailBytes: byteSize('8MiB').describe(
    'Newest commands kept in memory, for who applies them and for members that keep up.',
  ),
  readBytes: byteSize('1MiB').describe(
    'Commands read from the files or handed out at once, about.',
  ),
  keptBytes: byteSize('256MiB').describe(
    'Log kept in a group of several, so that a member that was away needs no snapshot.',
  ),
  tickMs: duration('100ms').describe('Heartbeats; an election comes after 10 to 20 silent ones.'),
  maxMessageBytes: byteSize('512KiB').describe('Entries in one message to a member, about.'),
  maxInflightBytes: byteSize('16MiB').describe('Entries on their way to one member.'),
  maxUncommittedBytes: byteSize('64MiB').describe(
    'Entries that wait for a majority before OVERLOADED.',
  ),
});
export type RaftLogSettings = z.output<typeof raftLogSettings>;
