import { expect, test } from 'vitest';
import { freshState } from '../../../../src/metastore/catalog/state.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import { Housekeeping } from '../../../../src/metastore/member/housekeeping.ts';
import { memberSettings } from '../../../../src/metastore/member/settings.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { METASTORE } from '../../../support/metastore-catalog.ts';
import { ManualClock } from '../../../support/metastore-clock.ts';
import { MemoryLogStore } from '../../../support/memory-log.ts';

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
