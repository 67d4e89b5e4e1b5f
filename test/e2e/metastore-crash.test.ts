// A metastore of its own process, with gRPC, RocksDB and a log on disk, killed in mid-batch again and again.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { LocalView } from '../../src/metastore/client/local-view.ts';
import { forgetfulHome } from '../../src/metastore/client/view-home.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import type { Claim, SegmentLedger } from '../../src/uploader/segment-ledger.ts';
import { CLUSTER } from '../support/metastore-catalog.ts';
import { MetastoreProcess } from '../support/metastore-process.ts';
import {
  claimRequest,
  clientSettings,
  intent,
  NEVER,
  segmentName,
  TestMetastoreClient,
  TOPIC,
} from '../support/metastore-world.ts';

const KILLS = 5;
const WRITERS = 8;

/** Copies segments `from`, `from + step`, … until told to stop; says how many were answered. */
async function copyUntil(
  stop: AbortSignal,
  input: { ledger: SegmentLedger; claim: Claim; from: number },
): Promise<number[]> {
  const { ledger, claim } = input;
  const done: number[] = [];
  for (let number = input.from; !stop.aborted; number += WRITERS) {
    await ledger.startCopy(claim, intent(number), NEVER);
    await ledger.finishCopy(claim, segmentName(number), NEVER);
    done.push(number);
  }
  return done;
}

/** Asked again while the process is down. */
function status(client: TestMetastoreClient) {
  return vi.waitUntil(() => client.queries.status(NEVER).catch(() => undefined), {
    timeout: 240_000,
  });
}

test('killed in mid-batch, a metastore loses no answered command and applies none twice', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'metastore-crash-'));
  const metastore = new MetastoreProcess(directory, 150);
  await metastore.start();
  const transport = grpcTransport(systemClock, [metastore.address]);
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'one' });
  const deps = { transport, clock: systemClock, random: systemRandom, logger: silentLogger };
  const view = new LocalView({ ...deps, home: forgetfulHome }, clientSettings, CLUSTER);
  view.start();
  try {
    const claim = await client.ledger.claim(claimRequest(), NEVER);
    await view.snapshot(claim.id, claim.revision, NEVER);
    const stop = new AbortController();
    const writers = Array.from({ length: WRITERS }, (_, from) =>
      copyUntil(stop.signal, { ledger: client.ledger, claim, from }),
    );
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = (await status(client)).appliedIndex;
      const enough = before + 300n + BigInt(kill * 77);
      await vi.waitUntil(async () => (await status(client)).appliedIndex > enough, {
        timeout: 240_000,
        interval: 5,
      });
      await metastore.kill();
      await metastore.start();
    }
    stop.abort();
    const done = (await Promise.all(writers)).flat().toSorted((left, right) => left - right);
    const { revision, segments } = await status(client);
    expect(segments).toBe(BigInt(done.length));
    const snapshot = await view.snapshot(claim.id, revision, NEVER);
    expect(snapshot.segments.map(({ startOffset, state }) => [startOffset, state])).toEqual(
      done.map((number) => [BigInt(number) * 100n, 'COPY_SEGMENT_FINISHED']),
    );
    // Through a clean stop as well: the same, and found by name.
    await metastore.stop();
    await metastore.start();
    const found = await vi.waitUntil(
      () => view.findLinearizable('orders', 0, NEVER).catch(() => undefined),
      {
        timeout: 240_000,
      },
    );
    expect(found.segments).toEqual(snapshot.segments);
    expect(found.id).toEqual({ topicId: TOPIC, partition: 0 });
  } finally {
    await view.stop();
    await client.channel.stop();
    transport.stop();
    await metastore.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
