// The `hdfs` home of the object store: what an operator says about it.
import { z } from 'zod';
import { duration, someBytes } from '../../base/units.ts';

/** One HDFS checksum covers so many bytes (dfs.bytes-per-checksum); a block is a multiple of it. */
const BYTES_PER_CHECKSUM = 512;

const ABSOLUTE_PATH = /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/;
const OCTAL = /^[0-7]{3}$/;

/** docs/configuration.md is printed from it; unknown keys are refused. */
export const hdfsStoreSettings = z
  .strictObject({
    kind: z.literal('hdfs').describe('Objects are files of an HDFS cluster, reached by WebHDFS.'),
    nameNodes: z
      .array(z.url({ protocol: /^https?$/ }))
      .min(1)
      .max(8)
      .describe(
        'HTTP addresses of the NameNodes, such as http://nn1:9870; with high availability all of them. https trusts what Node trusts (NODE_EXTRA_CA_CERTS).',
      ),
    directory: z
      .string()
      .regex(ABSOLUTE_PATH, 'must be an absolute path of letters, digits, ".", "_" and "-"')
      .describe('Directory that holds the objects. Nothing else may write there.'),
    user: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9._-]*$/)
      .default('logtier')
      .describe('The `user.name` of simple authentication. Kerberos is not supported.'),
    replication: z.int().min(1).max(512).default(3).describe('Replicas asked for each file.'),
    minReplicas: z
      .int()
      .min(1)
      .max(512)
      .default(2)
      .describe(
        'Live replicas that every block must have before an object counts as stored: HDFS itself is content with one. 1 means that the loss of one DataNode loses data Kafka has already deleted.',
      ),
    replicaWaitMs: duration('30s').describe(
      'How long a finished file may take to reach minReplicas; then the put fails and is retried.',
    ),
    filePermission: z
      .string()
      .regex(OCTAL, 'must be three octal digits')
      .default('640')
      .describe('Permission of files, octal.'),
    directoryPermission: z
      .string()
      .regex(OCTAL, 'must be three octal digits')
      .default('750')
      .describe('Permission of directories, octal.'),
    blockBytes: someBytes()
      .refine((bytes) => bytes > 0 && bytes % BYTES_PER_CHECKSUM === 0, {
        error: `must be a multiple of ${BYTES_PER_CHECKSUM} bytes`,
      })
      .optional()
      .describe('Block size of files; without it the cluster decides (128 MiB by default).'),
    connectTimeoutMs: duration('5s').describe('How long a connection may take to open.'),
    idleTimeoutMs: duration('30s').describe(
      'How long a request may make no progress at all, not how long it may take.',
    ),
  })
  .refine((settings) => settings.minReplicas <= settings.replication, {
    path: ['minReplicas'],
    error: 'must not exceed replication',
  });
export type HdfsStoreSettings = z.output<typeof hdfsStoreSettings>;
