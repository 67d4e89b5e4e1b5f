import { expect, test } from 'vitest';
import { MetricsRefresh } from '../../../src/operator/metrics-refresh.ts';
import { operatorMetrics } from '../../../src/operator/metrics.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { uploaderMetrics } from '../../../src/uploader/metrics.ts';
import {
  FakeCatalog,
  FakeUploader,
  localPartition,
  localSegment,
  queuedSegment,
  record,
  snapshot,
} from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const never = new AbortController().signal;
const NOW_MS = 1_000_000;

function world() {
  const registry = createMetrics();
  const uploader = new FakeUploader();
  const catalog = new FakeCatalog();
  const clock = new SkippingClock(NOW_MS);
  const refresh = new MetricsRefresh(
    {
      uploader,
      catalog,
      uploaderMetrics: registry.live(uploaderMetrics),
      operatorMetrics: registry.live(operatorMetrics),
      loopDelay: { take: () => ({ medianMs: 0, longestMs: 30 }), stop: () => undefined },
      notReady: () => Promise.resolve(['a', 'b']),
      clock,
      logger: silentLogger,
    },
    { intervalMs: 1_000 },
  );
  const value = async (name: string): Promise<string | undefined> => {
    const lines = (await registry.print()).split('\n');
    return lines
      .find((line) => line.startsWith(`logtier_${name} `))
      ?.split(' ')
      .at(-1);
  };
  return { uploader, catalog, clock, refresh, value };
}

const orders = '{topic="orders"}';

test('sums lag, head-room, sizes and findings of what this broker leads, by topic', async () => {
  const { uploader, catalog, refresh, value } = world();
  const quarantined = { reason: 'QUARANTINED', detail: undefined, sinceMs: 1 } as const;
  uploader.all = [
    localPartition({
      segments: [
        queuedSegment(100n, 200n, NOW_MS + 60_000),
        localSegment(200n, 300n, { state: 'quarantined', waiting: quarantined, logBytes: 500 }),
        localSegment(300n, undefined),
      ],
      findings: [{ code: 'QUARANTINED', text: '', sinceMs: 0 }],
    }),
    localPartition({ topic: 'follow', isLeader: false, segments: [queuedSegment(0n, 9n)] }),
    localPartition({ topic: 'plain', rule: undefined, segments: [queuedSegment(0n, 9n)] }),
  ];
  catalog.snapshots = [snapshot([record(0, 0n, 100n), record(1, 100n, 150n)])];
  await refresh.refresh(never);
  const names = {
    lagBytes: `remote_copy_lag_bytes${orders}`,
    lagSegments: `remote_copy_lag_segments${orders}`,
    headroom: `local_retention_headroom_seconds${orders}`,
    quarantined: `quarantined_segments${orders}`,
    size: `remote_log_size_bytes${orders}`,
    records: `remote_log_metadata_count${orders}`,
    copied: `remote_copy_bytes_total${orders}`,
    found: 'findings{code="QUARANTINED"}',
    notFound: 'findings{code="ORPHAN"}',
    notReady: 'not_ready',
    delay: 'event_loop_delay_seconds',
    follower: 'remote_copy_lag_bytes{topic="follow"}',
    untiered: 'remote_copy_lag_bytes{topic="plain"}',
  };
  const told = Object.fromEntries(
    await Promise.all(
      Object.entries(names).map(async ([short, name]) => [short, await value(name)] as const),
    ),
  );
  expect(told).toEqual({
    lagBytes: '1500',
    lagSegments: '2',
    headroom: '60',
    quarantined: '1',
    size: '2000',
    records: '2',
    copied: '0',
    found: '1',
    notFound: '0',
    notReady: '2',
    delay: '0.03',
    follower: undefined,
    untiered: undefined,
  });
});

test('lag is as old as the debt, though its reason changes, and ends with the topic', async () => {
  const { uploader, clock, refresh, value } = world();
  const waiting = { reason: 'QUEUED', detail: undefined, sinceMs: NOW_MS - 5_000 } as const;
  const first = localSegment(0n, 10n, { state: 'queued', waiting });
  uploader.all = [localPartition({ segments: [first] })];
  await refresh.refresh(never);
  expect(await value(`remote_copy_lag_seconds${orders}`)).toBe('5');
  clock.advance(2_000);
  const copying = { reason: 'COPYING', detail: undefined, sinceMs: clock.wallMs() } as const;
  uploader.all = [localPartition({ segments: [{ ...first, state: 'copying', waiting: copying }] })];
  await refresh.refresh(never);
  expect(await value(`remote_copy_lag_seconds${orders}`)).toBe('7');
  uploader.all = [localPartition({ segments: [localSegment(0n, 10n)] })];
  await refresh.refresh(never);
  expect(await value(`remote_copy_lag_seconds${orders}`)).toBe('0');
  expect(await value(`local_retention_headroom_seconds${orders}`)).toBe('+Inf');
  uploader.all = [];
  await refresh.refresh(never);
  expect(await value(`remote_copy_lag_seconds${orders}`)).toBeUndefined();
});

test('stop ends the refreshing and may be called twice', async () => {
  const { refresh, value } = world();
  refresh.start();
  await refresh.stop();
  await refresh.stop();
  expect(await value('not_ready')).toMatch(/^[02]$/);
});
