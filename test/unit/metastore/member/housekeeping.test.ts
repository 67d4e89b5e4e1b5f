import { expect, test } from 'vitest';
import { freshState } from '../../../../src/metastore/catalog/state.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { Housekeeping } from '../../../../src/metastore/member/housekeeping.ts';
import { memberSettings } from '../../../../src/metastore/member/settings.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { METASTORE } from '../../../support/metastore-catalog.ts';
import { ManualClock } from '../../../support/metastore-clock.ts';
import { MemoryLogStore } from '../../../support/memory-log.ts';

const NEVER = new AbortController().signal;

test('a flush just after an install asks the log for no more than it knows of', async () => {
  const engine = await openMemoryEngine();
  const log = new MemoryLogStore().open();
  const clock = new ManualClock();
  const failures: unknown[] = [];
  const settings = memberSettings.parse({});
  const state = { ...freshState(1, METASTORE), appliedIndex: 100n };
  const deps = { engine, log, clock, logger: silentLogger };
  const housekeeping = new Housekeeping(deps, settings, {
    state: () => state,
    propose: () => Promise.reject(new Error('nothing is proposed')),
    fail: (error) => {
      failures.push(error);
    },
  });
  housekeeping.start();
  await clock.advance(settings.flushMs, settings.flushMs);
  await housekeeping.stop();
  expect(log.status().committed).toBe(1n);
  expect(failures).toEqual([]);
  await engine.close();
});

test('the log is cut where the catalog stood before its flush: later commands may not be durable', async () => {
  const engine = await openMemoryEngine();
  const log = new MemoryLogStore().open();
  for (let count = 0; count < 20; count += 1) await log.propose(new Uint8Array(0), NEVER);
  const clock = new ManualClock();
  const settings = memberSettings.parse({});
  const state = { ...freshState(1, METASTORE), appliedIndex: 10n };
  const flushing: typeof engine = {
    ...engine,
    flush: async () => {
      // Applied meanwhile.
      state.appliedIndex = 15n;
      await engine.flush();
    },
  };
  const deps = { engine: flushing, log, clock, logger: silentLogger };
  const housekeeping = new Housekeeping(deps, settings, {
    state: () => state,
    propose: () => Promise.reject(new Error('nothing is proposed')),
    fail: unexpected,
  });
  housekeeping.start();
  await clock.advance(settings.flushMs, settings.flushMs);
  await housekeeping.stop();
  expect(log.status().firstIndex).toBe(11n);
  await engine.close();
});

function unexpected(error: unknown): never {
  throw error;
}
