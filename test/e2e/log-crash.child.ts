// Proposes numbered commands to the log in argv[2] from 16 writers until it is killed; says each acknowledged index.
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { openRaftLog } from '../../src/metastore/log/raft-log/open-raft-log.ts';
import { raftLogSettings } from '../../src/metastore/log/raft-log/settings.ts';
import { noPeers } from '../../src/metastore/log/raft-log/transport.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { nextTurn } from '../../src/platform/turn.ts';

const settings = raftLogSettings.parse({ wal: { fileBytes: '2MiB' } });
const deps = {
  disk: nodeDisk,
  clock: systemClock,
  logger: silentLogger,
  random: systemRandom,
  nextTurn,
  transport: noPeers,
};
const place = {
  directory: process.argv[2]!,
  clusterId: 'crash',
  nodeId: 1n,
  voters: [{ id: 1, address: '' }],
  applied: { index: 0n, term: 0n },
};
const log = await openRaftLog(deps, settings, place);
const signal = new AbortController().signal;

async function write(writer: number): Promise<void> {
  for (let at = 0; ; at += 1) {
    const text = `${process.pid} ${writer} ${at}`;
    const index = await log.propose(Buffer.from(text.padEnd(200 + (at % 900))), signal);
    process.stdout.write(`${index} ${text}\n`);
    if (at % 200 === 199 && writer === 0) {
      await log.compact({ index: index - 500n > 0n ? index - 500n : 0n, makeDurable });
    }
  }
}

function makeDurable(): Promise<void> {
  return Promise.resolve();
}

await Promise.all(Array.from({ length: 16 }, (_, writer) => write(writer)));
