import { expect, test } from 'vitest';
import { createMetrics } from '../../../../src/platform/metrics.ts';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { failingStore } from '../../../../src/store/decorators/failing.ts';
import { meteredStore } from '../../../../src/store/decorators/metered.ts';
import { storeMetrics } from '../../../../src/store/metrics.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { SkippingClock } from '../../../support/skipping-clock.ts';
import { codeOf, collect, never } from '../../../support/store-probes.ts';

test('calls are counted by outcome, bytes by direction, and a consumer’s time is not the store’s', async () => {
  const registry = createMetrics();
  const clock = new SkippingClock();
  const broken = failingStore(
    [{ op: 'stat', fault: { kind: 'fail', code: 'STORE_UNAVAILABLE' } }],
    new MemoryStore(),
  );
  const store = meteredStore({ clock, metrics: registry.live(storeMetrics) }, 'main', broken);
  await store.put('key', bytesSource(Buffer.alloc(3_000_000)), nobody, never);
  for await (const piece of store.get('key', { start: 0, end: 2_000_000 }, never)) {
    expect(piece.length).toBeGreaterThan(0);
    clock.advance(60_000);
  }
  for await (const piece of store.get('key', { start: 0, end: 2_000_000 }, never)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  expect(await codeOf(store.stat('key', never))).toBe('STORE_UNAVAILABLE');
  expect(await codeOf(collect(store.get('none', { start: 0, end: 1 }, never)))).toBe(
    'OBJECT_NOT_FOUND',
  );
  const printed = (await registry.print()).split('\n');
  const counts = printed.filter((line) => line.includes('request_seconds_count'));
  const labels = counts.map((line) => /op="(\w+)",outcome="(\w+)"\} (\d+)/.exec(line)?.slice(1));
  expect(labels).toEqual([
    ['put', 'ok', '1'],
    ['get', 'ok', '1'],
    ['get', 'left', '1'],
    ['stat', 'STORE_UNAVAILABLE', '1'],
    ['get', 'OBJECT_NOT_FOUND', '1'],
  ]);
  expect(printed).toContain('logtier_store_sent_bytes_total{store="main"} 3000000');
  expect(printed).toContain('logtier_store_received_bytes_total{store="main"} 3048576');
  expect(printed.filter((line) => line.includes('request_seconds_sum')).join()).not.toContain(
    '} 60',
  );
});
