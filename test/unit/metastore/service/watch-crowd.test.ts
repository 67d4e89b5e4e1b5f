import { expect, test } from 'vitest';
import { WatchCrowd } from '../../../../src/metastore/service/watch.ts';

test('a few watchers look at every change; a thousand look ten times a second, and are told seldom', () => {
  const crowd = new WatchCrowd();
  crowd.enter();
  expect([crowd.pauseMs, crowd.passedEveryMs, crowd.passedBurst]).toEqual([0.1, 50, 20]);
  for (let more = 1; more < 1_000; more += 1) crowd.enter();
  expect([crowd.pauseMs, crowd.passedEveryMs, crowd.passedBurst]).toEqual([100, 500, 1]);
  for (let gone = 0; gone < 999; gone += 1) crowd.leave();
  expect([crowd.pauseMs, crowd.passedEveryMs, crowd.passedBurst]).toEqual([0.1, 50, 20]);
});
