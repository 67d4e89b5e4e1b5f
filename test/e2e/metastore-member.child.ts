// A metastore process: state in argv[2], listens on argv[3], flushes every argv[4] ms. Says when it serves.
import { openAlone } from '../support/open-alone.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { createLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';

const [directory, address, flushMs] = process.argv.slice(2);
const log = createLogger('warn', 'metastore');
const deps = { disk: nodeDisk, clock: systemClock, random: systemRandom, logger: log, log };
const settings = memberSettings.parse({
  flushMs: `${flushMs!}ms`,
  log: { wal: { fileBytes: '1MiB' } },
});
const metastore = await openAlone(deps, settings, directory!);
const server = await serve(deps, { ...defaultServeSettings, address: address! }, [
  catalogRpc(catalogService(metastore.member)),
]);
void metastore.member.failed.then(() => process.exit(1));
process.once('SIGTERM', () => {
  void server
    .stop()
    .then(() => metastore.stop())
    .then(() => process.exit(0));
});
process.stdout.write(`serving\n`);
