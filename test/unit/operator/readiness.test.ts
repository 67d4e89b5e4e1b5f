import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { Readiness, type ReadinessDeps } from '../../../src/operator/readiness.ts';
import type { LoopDelay } from '../../../src/platform/loop-delay.ts';
import { FakeCatalog, FakeUploader } from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const settings = { logDirs: ['/kafka'], freshMs: 10_000, answerMs: 15_000, waitMs: 1_000 };

function loopDelay(medianMs = 0): LoopDelay {
  return { take: () => ({ medianMs, longestMs: medianMs }), stop: () => undefined };
}

function world(more: Partial<ReadinessDeps> = {}) {
  const asked: string[] = [];
  const clock = new SkippingClock();
  const catalog = new FakeCatalog();
  const deps: ReadinessDeps = {
    uploader: new FakeUploader(),
    catalog,
    broker: {
      metadata: () => {
        asked.push('broker');
        return Promise.resolve({ clusterId: 'c', brokers: [], topics: [] });
      },
    },
    stores: new Map([
      [
        'main',
        {
          stat: (key: string) => {
            asked.push(key);
            return Promise.reject(new LogtierError('OBJECT_NOT_FOUND', key));
          },
        },
      ],
    ]),
    disk: {
      list: (path) => {
        asked.push(path);
        return Promise.resolve([]);
      },
    },
    clock,
    loopDelay: loopDelay(),
    ...more,
  };
  return { readiness: new Readiness(deps, settings), asked, clock, catalog };
}

test('ready when all answer; a good answer counts for a while', async () => {
  const { readiness, asked, clock } = world();
  expect(await readiness.notReady()).toEqual([]);
  expect(await readiness.notReady()).toEqual([]);
  const once = ['broker', '/kafka', '.logtier-probe/readyz'];
  expect(asked).toEqual(once);
  clock.advance(settings.answerMs);
  expect(await readiness.notReady()).toEqual([]);
  expect(asked).toEqual([...once, ...once]);
});

test('tells in words what is missing, and asks it again at once', async () => {
  const uploader = new FakeUploader();
  uploader.unready = ['the first look is not done'];
  let isUp = false;
  const stat = () =>
    Promise.reject(new LogtierError(isUp ? 'OBJECT_NOT_FOUND' : 'STORE_UNAVAILABLE', 'no route'));
  const noDirectory = Object.assign(new Error('gone'), { code: 'EIO' });
  const { readiness, catalog } = world({
    uploader,
    stores: new Map([['main', { stat }]]),
    disk: { list: () => Promise.reject(noDirectory) },
  });
  catalog.viewSilentMs = 12_000;
  catalog.viewLagRevisions = 40;
  expect(await readiness.notReady()).toEqual([
    'the first look is not done',
    'the local view has not caught up with the metastore for 12s, 40 revisions behind it',
    'log directory /kafka: EIO',
    'store main: no route',
  ]);
  isUp = true;
  catalog.viewSilentMs = Infinity;
  catalog.viewLagRevisions = 0;
  uploader.unready = [];
  expect(await readiness.notReady()).toEqual([
    'the local view has not caught up with the metastore yet',
    'log directory /kafka: EIO',
  ]);
});

test('pages that come together cost one question', async () => {
  const { readiness, asked } = world();
  await Promise.all([readiness.notReady(), readiness.notReady(), readiness.notReady()]);
  expect(asked).toHaveLength(3);
});

test('only an event loop that is late most of the time is not live', () => {
  expect(world({ loopDelay: loopDelay(999) }).readiness.notLive()).toEqual([]);
  expect(world({ loopDelay: loopDelay(2_500) }).readiness.notLive()).toEqual([
    'the event loop is 2s late most of the time',
  ]);
});
