// One member of a metastore group: state in argv[2], number in argv[3], sockets of all members from argv[4] on.
import { raftHome } from '../../src/metastore/log/raft-log/raft-home.ts';
import { openMetastore } from '../../src/metastore/member/open-metastore.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { createLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';

const [directory, node, ...sockets] = process.argv.slice(2);
const nodeId = Number(node);
const voters = sockets.map((address, at) => ({ id: at + 1, address }));
const { address } = voters.find(({ id }) => id === nodeId)!;
const logger = createLogger('info', `member-${node!}`);
const deps = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger };
const settings = memberSettings.parse({
  flushMs: '300ms',
  log: { wal: { fileBytes: '1MiB' }, keptBytes: '0B' },
});
const group = { id: 'group-of-the-e2e-test_', nodeId, voters, address };
const opened = await openMetastore(deps, settings, {
  directory: directory!,
  logHome: raftHome(deps, settings.log, group),
});
const server = await serve(
  { clock: systemClock, log: logger },
  { ...defaultServeSettings, address },
  [catalogRpc(catalogService(opened.member)), ...opened.peerServices],
);
void opened.member.failed.then(() => process.exit(1));
process.once('SIGTERM', () => {
  void server
    .stop()
    .then(() => opened.stop())
    .then(() => process.exit(0));
});
