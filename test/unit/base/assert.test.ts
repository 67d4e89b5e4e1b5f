import { expect, test } from 'vitest';
import { assert, AssertionFailure, unreachable } from '../../../src/base/assert.ts';

test('a broken condition stops with its fact, a true one does nothing', () => {
  expect(() => assert(false, 'the sky is up')).toThrow(new AssertionFailure('the sky is up'));
  expect(assert(true, 'the sky is up')).toBeUndefined();
});

test('a value that cannot be is a bug', () => {
  const impossible = 'seven' as never;
  expect(() => unreachable(impossible)).toThrow(AssertionFailure);
});
