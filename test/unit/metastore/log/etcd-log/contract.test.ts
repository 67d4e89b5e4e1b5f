import { etcdClientContract } from '../../../../contract/etcd-client.ts';
import { replicatedLogContract } from '../../../../contract/replicated-log.ts';
import type { EtcdMishap } from '../../../../support/etcd-fake.ts';
import { EtcdFake, type EtcdFakeClient } from '../../../../support/etcd-fake.ts';
import { etcdSettings, openMemberLog } from '../../../../support/etcd-log-world.ts';
import type { ReplicatedLog } from '../../../../../src/metastore/log/replicated-log.ts';

etcdClientContract('fake', () => new EtcdFake().connect());

function homeOn(etcd: EtcdFake): Parameters<typeof replicatedLogContract>[1] {
  return () => {
    const settings = etcdSettings({ maxCommandBytes: '3KiB', batchBytes: '8KiB' });
    const opened: { log: ReplicatedLog; client: EtcdFakeClient }[] = [];
    return Promise.resolve({
      open: async () => {
        const client = etcd.connect();
        const log = await openMemberLog({ client, settings });
        opened.push({ log, client });
        return log;
      },
      kill: () => {
        opened.at(-1)?.client.stop();
        return Promise.resolve();
      },
      maxCommandBytes: settings.maxCommandBytes,
      remove: async () => {
        for (const { log, client } of opened) {
          client.stop();
          await log.stop();
        }
        etcd.rows.clear();
      },
    });
  };
}

replicatedLogContract('etcd', homeOn(new EtcdFake()));

const lossy = new EtcdFake();
const MISHAPS: readonly EtcdMishap[] = ['REQUEST_LOST', 'REPLY_LOST', 'LATE'];
let calls = 0;
// Every third call meets one, each kind in its turn: no chance in it.
lossy.mishap = () => ((calls += 1) % 3 === 0 ? MISHAPS[(calls / 3) % 3] : undefined);
replicatedLogContract('etcd, on a network that loses and delays,', homeOn(lossy));
