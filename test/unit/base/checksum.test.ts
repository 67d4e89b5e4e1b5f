import { assert, property, uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import { combineCrc32, crc32, crc32c } from '../../../src/base/checksum.ts';

const CHECK = Buffer.from('123456789');

test('both checksums give the check values of their catalogue', () => {
  expect(crc32(CHECK).toString(16)).toBe('cbf43926');
  expect(crc32c(CHECK).toString(16)).toBe('e3069283');
});

test('a seed goes on where the bytes before ended', () => {
  expect(crc32(CHECK.subarray(4), crc32(CHECK.subarray(0, 4)))).toBe(crc32(CHECK));
  expect(crc32c(CHECK.subarray(4), crc32c(CHECK.subarray(0, 4)))).toBe(crc32c(CHECK));
});

test('the checksum of two pieces is made of theirs', () => {
  assert(
    property(uint8Array({ maxLength: 300 }), uint8Array({ maxLength: 300 }), (first, second) => {
      const whole = crc32(Buffer.concat([first, second]));
      expect(combineCrc32(crc32(first), crc32(second), second.length)).toBe(whole);
    }),
  );
});
