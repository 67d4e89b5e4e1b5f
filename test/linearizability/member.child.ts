// One member of a metastore group under faults. argv[2]: a `MemberPlace` as JSON.
//
// It reaches each peer through a socket of its own, `link-FROM-TO.sock`, and its disk is full, or fails to sync,
// while the files `full-NODE` and `broken-NODE` exist.
import { existsSync } from 'node:fs';
import { LogtierError } from '../../src/base/errors.ts';
import { raftHome } from '../../src/metastore/log/raft-log/raft-home.ts';
import { openMetastore } from '../../src/metastore/member/open-metastore.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { clusterRpc } from '../../src/metastore/service/cluster-rpc.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Disk, type DiskFile, nodeDisk } from '../../src/platform/disk.ts';
import { createLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';
import type { MemberPlace } from './group.ts';

const place = JSON.parse(process.argv[2]!) as MemberPlace;
const { directory, nodeId, groupId, voters } = place;
const addressOf = (node: number): string => `unix:${directory}/${node}.sock`;

function failing(errno: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(`${errno} on demand`), { code: errno }));
}

const isFull = (): boolean => existsSync(`${directory}/full-${nodeId}`);
const isBroken = (): boolean => existsSync(`${directory}/broken-${nodeId}`);

function faulty(file: DiskFile): DiskFile {
  return {
    ...file,
    write: (bytes, position) => (isFull() ? failing('ENOSPC') : file.write(bytes, position)),
    datasync: () => (isBroken() ? failing('EIO') : file.datasync()),
  };
}

const disk: Disk = {
  ...nodeDisk,
  open: async (path, mode) => faulty(await nodeDisk.open(path, mode)),
};
const logger = createLogger('info', `member-${nodeId}`);
const deps = { disk, clock: systemClock, random: systemRandom, logger };
// Cut often and kept short: who was away needs a snapshot.
const settings = memberSettings.parse({
  flushMs: '300ms',
  log: { wal: { fileBytes: '256KiB' }, keptBytes: '128KiB' },
});
const address = addressOf(nodeId);

/** One clear line, also when it cannot even start. */
function end(error: unknown): never {
  const said = error instanceof LogtierError ? `${error.code}: ${error.message}` : String(error);
  process.stderr.write(`error: ${said}\n`);
  process.exit(1);
}

async function run(): Promise<void> {
  const opened = await openMetastore(deps, settings, {
    directory: `${directory}/state-${nodeId}`,
    logHome: raftHome(deps, settings.log, {
      id: groupId,
      nodeId,
      voters: voters.map((id) => ({ id, address: addressOf(id) })),
      address,
      dial: (peer) => `unix:${directory}/link-${nodeId}-${peer.id}.sock`,
    }),
  });
  const server = await serve(
    { clock: systemClock, log: logger },
    { ...defaultServeSettings, address },
    [
      catalogRpc(catalogService(opened.member)),
      clusterRpc(opened, 'under test'),
      ...opened.peerServices,
    ],
  );
  void opened.member.failed.then(end);
  process.once('SIGTERM', () => {
    void server
      .stop()
      .then(() => opened.stop())
      .then(() => process.exit(0));
  });
}

await run().catch(end);
