import { expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { avoidedNodes } from '../../../../src/store/hdfs/avoided-nodes.ts';

function world() {
  const time = { nowMs: 0 };
  return { time, avoided: avoidedNodes({ ...systemClock, monotonicMs: () => time.nowMs }) };
}

function refused(address: string): LogtierError {
  const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED', address });
  return new LogtierError('STORE_UNAVAILABLE', 'refused', { cause });
}

test('a node is avoided by the address that did not answer, for a minute', () => {
  const { time, avoided } = world();
  avoided.add('dn1.example', refused('10.0.0.1'));
  time.nowMs = 30_000;
  avoided.add('10.0.0.2', new LogtierError('STORE_UNAVAILABLE', 'hung'));
  expect(avoided.print()).toBe('10.0.0.1,10.0.0.2');
  time.nowMs = 60_000;
  expect(avoided.print()).toBe('10.0.0.2');
  avoided.clear();
  expect(avoided.print()).toBe('');
});

test('a name without an address cannot be avoided: HDFS would not know it', () => {
  const { avoided } = world();
  avoided.add('dn1.example', new LogtierError('STORE_UNAVAILABLE', 'hung'));
  expect(avoided.print()).toBe('');
});

test('never more than eight nodes are avoided', () => {
  const { avoided } = world();
  for (let node = 0; node < 20; node += 1) avoided.add(`10.0.0.${node}`, undefined);
  expect(avoided.print().split(',')).toHaveLength(8);
});
