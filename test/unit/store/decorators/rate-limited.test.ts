import { expect, test } from 'vitest';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { rateLimitedStore, UploadLimit } from '../../../../src/store/decorators/rate-limited.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { SkippingClock } from '../../../support/skipping-clock.ts';
import { codeOf, never } from '../../../support/store-probes.ts';

const MIB = 2 ** 20;

function elapsedMs(clock: SkippingClock): number {
  return clock.slept.reduce((sum, ms) => sum + ms, 0);
}

test('two puts share one limit', async () => {
  const clock = new SkippingClock();
  const limit = new UploadLimit(clock, 2 * MIB);
  const memory = new MemoryStore();
  const store = rateLimitedStore(limit, memory);
  const put = (key: string, seed: number) =>
    store.put(key, bytesSource(sampleBytes(5 * MIB, seed)), nobody, never);
  await Promise.all([put('a', 1), put('b', 2)]);
  // 10 MiB at 2 MiB/s; the last piece goes once the debt of those before is paid.
  expect(elapsedMs(clock)).toBeGreaterThanOrEqual(4_490);
  expect(elapsedMs(clock)).toBeLessThanOrEqual(5_010);
  expect([...memory.objects.keys()].toSorted()).toEqual(['a', 'b']);
});

test('no limit waits for nothing', async () => {
  const clock = new SkippingClock();
  const limit = new UploadLimit(clock, undefined);
  for (let piece = 0; piece < 100; piece += 1) await limit.take(MIB, never);
  expect(clock.slept).toEqual([]);
});

test('a change is felt by those who wait already', async () => {
  const clock = new SkippingClock();
  const limit = new UploadLimit(clock, 1024);
  await limit.take(MIB, never); // a debt of 17 minutes
  const taking = limit.take(MIB, never);
  limit.change(undefined);
  await taking;
  expect(elapsedMs(clock)).toBeLessThanOrEqual(500);
});

test('one who is cancelled leaves at once, and those behind get their turn', async () => {
  const clock = new SkippingClock();
  const limit = new UploadLimit(clock, MIB);
  await limit.take(MIB, never);
  const controller = new AbortController();
  const cancelled = codeOf(limit.take(1000 * MIB, controller.signal));
  const behind = limit.take(1, never);
  controller.abort();
  expect(await cancelled).toBe('ABORTED');
  await behind;
  expect(elapsedMs(clock)).toBeLessThan(1_500);
});
