import { z } from 'zod';
import { byteSize, duration } from '../../../base/units.ts';

const tlsSettings = z
  .strictObject({
    caFile: z
      .string()
      .optional()
      .describe('PEM file of the certificate authorities to trust; default: the system’s.'),
    certFile: z.string().optional().describe('PEM file of our own certificate, for mutual TLS.'),
    keyFile: z.string().optional().describe('PEM file of the key of `certFile`.'),
  })
  .refine((s) => (s.certFile === undefined) === (s.keyFile === undefined), {
    path: ['keyFile'],
    error: 'certFile and keyFile belong together',
  });

/** An etcd cluster as the home of the metastore's log. */
export const etcdLogSettings = z
  .strictObject({
    endpoints: z
      .array(z.string().regex(/^https?:\/\/[^/\s]+:\d+$/, 'must look like https://host:2379'))
      .min(1)
      .max(16)
      .describe('Members of the etcd cluster; all http or all https.'),
    prefix: z
      .string()
      .regex(/^\/[A-Za-z0-9/_.-]{1,200}$/, 'must be a path that begins with /')
      .default('/logtier')
      .describe('Keys of the log begin with it; grant our etcd user read and write on it.'),
    user: z.string().min(1).optional().describe('etcd user; absent: etcd without authentication.'),
    passwordFile: z
      .string()
      .optional()
      .describe('File that holds the password, without a line end.'),
    tls: tlsSettings.prefault({}),
    callMs: duration('3s').describe('One answer of one member; then the next member is asked.'),
    commitMs: duration('10s').describe('Longest wait until etcd has taken a command.'),
    firstRetryMs: duration('20ms').describe('Wait before a call is repeated; each next doubles.'),
    longestRetryMs: duration('1s').describe('Upper bound of that wait.'),
    leaseMs: duration('10s').describe('How long a silent member keeps the upkeep of the log.'),
    maxCommandBytes: byteSize('512KiB').describe(
      'Largest command; the same for every home of the log.',
    ),
    batchBytes: byteSize('1MiB').describe(
      'Commands in one transaction; etcd refuses requests above its --max-request-bytes (1.5 MiB).',
    ),
    queuedBytes: byteSize('16MiB').describe('Commands that wait for etcd before OVERLOADED.'),
    snapshotBytes: byteSize('256MiB').describe(
      'Commands in etcd that bring the next snapshot; keep it far below etcd’s quota.',
    ),
    keptEntries: z
      .int()
      .min(0)
      .max(100_000_000)
      .default(10_000)
      .describe('Entries below a snapshot that stay for members that lag a little.'),
    compactRevisions: z
      .boolean()
      .default(true)
      .describe(
        'Ask etcd to forget old revisions, of all its keys, after each snapshot. Off: it must compact by itself.',
      ),
  })
  .refine((s) => s.maxCommandBytes <= s.batchBytes, {
    path: ['batchBytes'],
    error: 'must not be smaller than maxCommandBytes',
  })
  .refine((s) => (s.user === undefined) === (s.passwordFile === undefined), {
    path: ['passwordFile'],
    error: 'user and passwordFile belong together',
  })
  .refine((s) => new Set(s.endpoints.map((at) => at.split(':')[0])).size === 1, {
    path: ['endpoints'],
    error: 'must be all http or all https',
  });
export type EtcdLogSettings = z.output<typeof etcdLogSettings>;
