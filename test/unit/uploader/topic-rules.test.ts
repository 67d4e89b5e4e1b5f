import { expect, test } from 'vitest';
import { topicSettings } from '../../../src/uploader/settings.ts';
import { topicRules } from '../../../src/uploader/topic-rules.ts';

const rules = topicRules(
  [
    { match: 'orders.*', exclude: ['*.tmp'], store: 'a' },
    { match: 'orders.eu', store: 'b' },
    { match: '*log*', store: 'c' },
    { match: 'orders.x.tmp', store: 'd' },
  ].map((entry) => topicSettings.parse(entry)),
);

test.each([
  ['orders.eu', 'a'], // the first that matches
  ['orders.x.tmp', 'd'], // excluded from the first, so a later one takes it
  ['orders.y.tmp', undefined],
  ['ordersXeu', undefined], // a dot stands for itself
  ['orders', undefined],
  ['a-log-b', 'c'],
  ['log', 'c'],
  ['LOG', undefined],
])('%s falls under %s', (topic, store) => {
  expect(rules(topic)?.store).toBe(store);
  expect(rules(topic)?.store).toBe(store);
});
