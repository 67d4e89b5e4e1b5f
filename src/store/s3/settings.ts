import { z } from 'zod';
import { byteSize, duration } from '../../base/units.ts';
import { CHUNK_BYTES } from '../object-store.ts';

const MIB = 2 ** 20;

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && pathname === '/' && search === '';
}

/** A store of `kind: s3`. docs/configuration.md is printed from it; unknown keys are refused. */
export const s3StoreSettings = z
  .strictObject({
    kind: z.literal('s3').describe('Amazon S3 or a store that speaks its API.'),
    bucket: z.string().min(3).max(63).describe('Bucket; it must exist.'),
    prefix: z
      .string()
      .max(100)
      .regex(/^([^/]+\/)*$/, 'must be empty or end with "/", without empty parts')
      .default('')
      .describe('Put before every key; empty, or ends with "/".'),
    region: z.string().min(1).default('us-east-1').describe('Region that requests are signed for.'),
    endpoint: z
      .string()
      .refine(isHttpUrl, 'must be http(s)://host[:port]')
      .optional()
      .describe('Address of an S3-compatible store. Default: AWS of the region, over TLS.'),
    forcePathStyle: z
      .boolean()
      .default(false)
      .describe('Bucket in the path instead of the host name; most S3-compatible stores need it.'),
    credentials: z
      .strictObject({
        accessKeyId: z.string().min(1).describe('Id of the access key; no secret.'),
        secretAccessKeyFile: z.string().min(1).describe('File that holds the secret of the key.'),
        sessionTokenFile: z
          .string()
          .min(1)
          .optional()
          .describe('File that holds the token of temporary credentials.'),
      })
      .optional()
      .describe(
        'Key id, and files that hold the secrets. Default: the AWS chain (environment, shared files, instance role).',
      ),
    profile: z.string().min(1).optional().describe('Profile of the AWS shared files.'),
    partBytes: byteSize('16MiB').describe(
      'Size of one multipart part; smaller objects are one put. A multiple of 4MiB from 8MiB to 1GiB.',
    ),
    partsInFlight: z.int().min(1).max(32).default(4).describe('Parts of one object sent at once.'),
    connectTimeoutMs: duration('5s').describe('Longest wait for a connection, TLS included.'),
    idleTimeoutMs: duration('30s').describe(
      'Longest wait for the store to take or give the next bytes.',
    ),
    controlTimeoutMs: duration('60s').describe(
      'Longest wait for an answer to a call without a body (list, delete, complete).',
    ),
    longestPutMs: duration('50m').describe(
      'A put that is older makes no further call, suspension of the host counted; must be below the late window of the eraser.',
    ),
  })
  .refine(
    (s) => s.partBytes % CHUNK_BYTES === 0 && s.partBytes >= 8 * MIB && s.partBytes <= 1024 * MIB,
    {
      path: ['partBytes'],
      error: 'must be a multiple of 4MiB between 8MiB and 1GiB',
    },
  )
  .refine((s) => s.credentials === undefined || s.profile === undefined, {
    path: ['profile'],
    error: 'cannot be given together with credentials',
  });

export type S3StoreSettings = z.output<typeof s3StoreSettings>;
