// The metastore of a randomised run, in each of its homes, and what of it can be killed.
import { randomBytes } from 'node:crypto';
import {
  type RoleProcess,
  type Section,
  startMetastore,
  startMetastoreGroup,
} from './sidecar-process.ts';
import { startEtcd } from './testbeds/etcd.ts';

export const METASTORE_KINDS = ['alone', 'group', 'etcd'] as const;
export type MetastoreKind = (typeof METASTORE_KINDS)[number];

/** Something that is killed and started again. */
export interface Door {
  kill(signal: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
}

export interface ChaosMetastore {
  readonly members: readonly RoleProcess[];
  /** By name, in the order in which one needs the other. */
  readonly doors: ReadonlyMap<string, Door>;
  stop(): Promise<void>;
}

/** Flushed often, so that logs are cut and snapshots are taken within the run. */
const MEMBER = { flushMs: '2s' };

/** `store`: what the sidecar uses, for homes that need one. */
export async function startChaosMetastore(
  kind: MetastoreKind,
  store: Section,
): Promise<ChaosMetastore> {
  switch (kind) {
    case 'alone': {
      const member = await startMetastore({ metastore: { member: MEMBER } });
      return withMembers([member]);
    }
    case 'group':
      return withMembers(await startMetastoreGroup(3, { metastore: { member: MEMBER } }));
    case 'etcd':
      return overEtcd(store);
  }
}

function withMembers(members: readonly RoleProcess[]): ChaosMetastore {
  const doors = members.map((member, at) => [`metastore ${at + 1}`, member] as const);
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  return { members, doors: new Map(doors), stop };
}

async function overEtcd(store: Section): Promise<ChaosMetastore> {
  const etcd = await startEtcd({ members: 3 });
  const metastoreId = randomBytes(16).toString('base64url');
  const settingsOf = (memberId: string): Section => ({
    endpoints: etcd.endpoints,
    metastoreId,
    memberId,
    store: 'main',
    snapshotBytes: '32KiB',
    keptEntries: 20,
    leaseMs: '3s',
  });
  const started = await Promise.allSettled(
    ['one', 'two'].map((name) =>
      startMetastore({
        metastore: { member: MEMBER, etcd: settingsOf(name) },
        settings: { stores: { main: store } },
      }),
    ),
  );
  const members = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const processes = withMembers(members);
  const stop = async (): Promise<void> => {
    await processes.stop();
    await etcd.stop();
  };
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw new Error('the metastore over etcd did not start', { cause: failed.reason });
  }
  const ofEtcd = [0, 1, 2].map((at): [string, Door] => {
    const kill = (signal: NodeJS.Signals): Promise<void> => etcd.kill(at, signal);
    return [`etcd ${at + 1}`, { kill, restart: () => etcd.restart(at) }];
  });
  return { members, doors: new Map([...ofEtcd, ...processes.doors]), stop };
}
