import { z } from 'zod';
import { duration, someBytes, someDuration } from '../base/units.ts';

const retentionSettings = z
  .strictObject({
    time: someDuration().optional().describe('Remote data whose newest record is older goes.'),
    bytes: someBytes().optional().describe('Remote log bytes kept of each partition.'),
  })
  .prefault({});

/** One entry of the `topics:` list. */
export const topicSettings = z.strictObject({
  match: z.string().min(1).describe('Pattern of whole topic names; `*` stands for any characters.'),
  exclude: z
    .array(z.string())
    .prefault([])
    .describe('Patterns of topics that this entry leaves alone.'),
  store: z.string().describe('Name of the store under `stores`.'),
  from: z
    .enum(['earliest', 'now'])
    .prefault('earliest')
    .describe(
      'What is copied when a partition is first seen: all closed segments, or only those that close later.',
    ),
  retention: retentionSettings.describe(
    'Of the remote part, Logtier’s alone. Neither given: kept for ever.',
  ),
});

export type TopicSettings = z.output<typeof topicSettings>;

/** The `uploader:` section. */
export const uploaderSettings = z
  .strictObject({
    copiesInFlight: z.int().min(1).max(64).prefault(4).describe('Segments copied at once.'),
    queueLimit: z
      .int()
      .min(1)
      .max(1_000_000)
      .prefault(10_000)
      .describe('Closed segments that wait in the queue; the rest waits on disk.'),
    scanIntervalMs: duration('30s').describe(
      'Between two full looks at the log directories; file events only hasten them.',
    ),
    leadershipIntervalMs: duration('2s').describe(
      'Between two questions to the broker who leads what.',
    ),
    firstRetryMs: duration('500ms').describe(
      'Wait before a failed segment is tried again; each next one doubles.',
    ),
    longestRetryMs: duration('60s').describe('Upper bound of that wait.'),
    snapshotGraceMs: duration('60s').describe(
      'How long a missing producer snapshot or index may hold a segment back.',
    ),
    progressTimeoutMs: duration('5m').describe(
      'A copy that moves no byte for so long is given up and tried again.',
    ),
    retentionIntervalMs: duration('5m').describe('Between two passes of remote retention.'),
    retentionGraceMs: duration('24h').describe(
      'How long a pass that would erase more than half of a partition waits.',
    ),
    eraseIntervalMs: duration('30s').describe('Between two looks at the delete queue.'),
    headroomAlarmMs: duration('1h').describe(
      'A finding is raised when local retention reaches untiered data sooner.',
    ),
  })
  .refine((s) => s.firstRetryMs <= s.longestRetryMs, {
    path: ['firstRetryMs'],
    error: 'must not exceed longestRetryMs',
  })
  .prefault({});

export type UploaderSettings = z.output<typeof uploaderSettings>;
