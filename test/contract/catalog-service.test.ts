import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { openMemoryEngine } from '../../src/metastore/engine/memory-engine.ts';
import { openMember } from '../../src/metastore/member/catalog-member.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { openAlone } from '../support/open-alone.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';
import { fixedHome } from '../support/engine-homes.ts';
import { hastyClock } from '../support/hasty-clock.ts';
import { MemoryLogStore } from '../support/memory-log.ts';
import { METASTORE } from '../support/metastore-catalog.ts';
import { catalogServiceContract } from './catalog-service.ts';

// Marks and ticks come every few seconds.
const deps = { clock: hastyClock, logger: silentLogger, log: silentLogger };

/** Nothing enters the log but what the tests send. */
const QUIET = { tickMs: '1h', flushMs: '1h' };

catalogServiceContract('in one process on memory', async () => {
  const engine = await openMemoryEngine();
  const log = new MemoryLogStore().open();
  const member = await openMember(
    { ...deps, home: fixedHome(engine), log },
    memberSettings.parse(QUIET),
    METASTORE,
  );
  return {
    service: catalogService(member),
    close: async () => {
      await member.stop();
      await engine.close();
    },
  };
});

catalogServiceContract('over gRPC on RocksDB and a log on disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'catalog-service-'));
  const settings = memberSettings.parse({ ...QUIET, log: { wal: { fileBytes: '1MiB' } } });
  const opened = await openAlone(
    { ...deps, disk: nodeDisk, random: systemRandom },
    settings,
    directory,
  );
  const rpc = catalogRpc(catalogService(opened.member));
  const serving = { ...defaultServeSettings, address: `unix:${directory}/socket` };
  const server = await serve(deps, serving, [rpc]);
  const transport = grpcTransport(systemClock, [server.address]);
  return {
    service: transport,
    close: async () => {
      transport.stop();
      await server.stop();
      await opened.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
