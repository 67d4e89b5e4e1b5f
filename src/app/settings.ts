// The whole configuration file, one section a room. docs/configuration.md is printed from it.
import { z } from 'zod';
import { brokerSettings } from '../broker/settings.ts';
import { cacheSettings } from '../cache/settings.ts';
import { fetcherSettings } from '../fetcher/settings.ts';
import { etcdLogSettings } from '../metastore/log/etcd-log/settings.ts';
import { metastoreClientSettings } from '../metastore/client/settings.ts';
import { memberSettings } from '../metastore/member/settings.ts';
import { storeSettings, transferSettings } from '../store/settings.ts';
import { topicSettings, uploaderSettings } from '../uploader/settings.ts';

/** HOST:PORT or unix:/path; only loopback by default. */
function listenAddress(fallback: string): z.ZodPrefault<z.ZodString> {
  return z
    .string()
    .regex(/^(unix:\/.+|[^\s]+:\d{1,5})$/, 'must be HOST:PORT or unix:/path')
    .prefault(fallback);
}

const stateSettings = z
  .strictObject({
    dir: z
      .string()
      .startsWith('/', 'must be an absolute path')
      .prefault('/var/lib/logtier')
      .describe('Our own files: cache, view, the embedded metastore. One directory a process.'),
  })
  .prefault({});

const listenSettings = z
  .strictObject({
    grpc: listenAddress('127.0.0.1:7400').describe('Readers and the command line.'),
    http: listenAddress('127.0.0.1:7401').describe('/healthz, /readyz and /metrics.'),
  })
  .prefault({});

const metastoreListenSettings = z
  .strictObject({
    grpc: listenAddress('127.0.0.1:7410').describe('Sidecars.'),
    http: listenAddress('127.0.0.1:7412').describe('/healthz, /readyz and /metrics.'),
  })
  .prefault({});

const METASTORE_ID = /^[A-Za-z0-9_-]{22}$/;

const groupSettings = z
  .strictObject({
    id: z
      .string()
      .regex(METASTORE_ID, 'must be 22 characters of base64url')
      .describe('Id of the metastore, made up once and the same for all members.'),
    node: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Number of this member; never used again once it was removed.'),
    voters: z
      .array(
        z.strictObject({
          node: z.int().min(1).max(1_000_000).describe('Number of the member.'),
          address: z
            .string()
            .regex(/^(unix:\/.+|[^\s]+:\d{1,5})$/, 'must be HOST:PORT or unix:/path')
            .describe('Where the others and the sidecars reach it.'),
        }),
      )
      .max(7)
      .prefault([])
      .describe('Members that a new group begins with; none for one that joins later.'),
    address: z
      .string()
      .regex(/^(unix:\/.+|[^\s]+:\d{1,5})$/, 'must be HOST:PORT or unix:/path')
      .optional()
      .describe('Where the others reach this member, when it is not among the voters.'),
  })
  .optional()
  .describe('The group of several members that this one belongs to. Absent: it is alone.');

function required(hint: string): z.core.$ZodStringParams {
  return { error: ({ input }) => (input === undefined ? `is missing: ${hint}` : undefined) };
}

const etcdSettings = etcdLogSettings
  .safeExtend({
    metastoreId: z
      .string(required('the same for all members; `logtier cluster new-id` makes one up'))
      .regex(METASTORE_ID, 'must be 22 characters of base64url')
      .describe('Id of the metastore, made up once and the same for all members.'),
    memberId: z
      .string(required('a name for this member, such as its host’s'))
      .regex(/^[A-Za-z0-9._-]{1,63}$/, 'must be up to 63 letters, digits, ".", "_" or "-"')
      .describe('Name of this member, another one for each; shown to operators.'),
    store: z
      .string(required('the name of a store under stores'))
      .describe('Name of the store that snapshots of the catalog go to; the same for all members.'),
  })
  .optional()
  .describe('An etcd cluster that keeps the log, in place of a group. Absent: members keep it.');

const metastoreSettings = z
  .strictObject({
    endpoints: z
      .array(z.string().regex(/^(unix:\/.+|[^\s]+:\d{1,5})$/, 'must be HOST:PORT or unix:/path'))
      .min(1)
      .optional()
      .describe(
        'gRPC addresses of the metastore members. Absent: one member is embedded in this process.',
      ),
    listen: metastoreListenSettings.describe(
      'Where a metastore member of its own (`logtier metastore`) listens.',
    ),
    group: groupSettings,
    etcd: etcdSettings,
    member: memberSettings.prefault({}).describe('How a member keeps its log and catalog.'),
    client: metastoreClientSettings.prefault({}).describe('How a sidecar talks to its metastore.'),
  })
  .refine(({ group, etcd }) => group === undefined || etcd === undefined, {
    path: ['etcd'],
    error: 'cannot stand beside metastore.group: the log is kept by one of them',
  })
  .prefault({});

const logSettings = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error'])
      .prefault('info')
      .describe('Least level that is printed.'),
  })
  .prefault({});

export const settingsSchema = z
  .strictObject({
    broker: brokerSettings.optional().describe('The Kafka broker beside this sidecar.'),
    state: stateSettings,
    listen: listenSettings,
    metastore: metastoreSettings,
    stores: z
      .record(
        z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short lower-case name'),
        storeSettings,
      )
      .prefault({})
      .describe('Object stores by name.'),
    topics: z
      .array(topicSettings)
      .prefault([])
      .describe('First match wins; a topic that matches none is not tiered.'),
    transfer: transferSettings,
    uploader: uploaderSettings,
    fetcher: fetcherSettings,
    cache: cacheSettings,
    log: logSettings,
  })
  .superRefine(({ stores, topics, metastore: { etcd } }, context) => {
    const message = `names no store; there are: ${Object.keys(stores).join(', ') || 'none'}`;
    const named = topics.map(({ store }, index) => ({ store, path: ['topics', index, 'store'] }));
    const ofEtcd = etcd && [{ store: etcd.store, path: ['metastore', 'etcd', 'store'] }];
    for (const { store, path } of [...named, ...(ofEtcd ?? [])]) {
      if (!Object.hasOwn(stores, store)) context.addIssue({ code: 'custom', path, message });
    }
  });

export type Settings = z.output<typeof settingsSchema>;
