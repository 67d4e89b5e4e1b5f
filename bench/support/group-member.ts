// One member of the benched metastore group, in a process of its own. argv[2]: a `MemberConfig` as JSON.
import { raftHome } from '../../src/metastore/log/raft-log/raft-home.ts';
import { openMetastore } from '../../src/metastore/member/open-metastore.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { clusterRpc } from '../../src/metastore/service/cluster-rpc.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { createLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';

export interface MemberConfig {
  readonly directory: string;
  readonly groupId: string;
  readonly nodeId: number;
  readonly addresses: readonly string[];
  /** Of `memberSettings`, where not the default. */
  readonly settings: object;
}

const config: MemberConfig = JSON.parse(process.argv[2] ?? '');
const { directory, groupId, nodeId, addresses } = config;
const voters = addresses.map((each, at) => ({ id: at + 1, address: each }));
const address = addresses[nodeId - 1] ?? '';
const logger = createLogger('info', `member-${nodeId}`);
const deps = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger };
const settings = memberSettings.parse(config.settings);
const opened = await openMetastore(deps, settings, {
  directory,
  logHome: raftHome(deps, settings.log, { id: groupId, nodeId, voters, address }),
});
await serve({ clock: systemClock, log: logger }, { ...defaultServeSettings, address }, [
  catalogRpc(catalogService(opened.member)),
  clusterRpc(opened, 'a benchmark'),
  ...opened.peerServices,
]);
void opened.member.failed.then(({ message }) => {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
});
