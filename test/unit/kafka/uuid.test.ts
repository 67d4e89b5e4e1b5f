import { assert, property, nat, uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import {
  generateUuid,
  isUuidText,
  parseUuid,
  printUuid,
  uuidFromHex,
} from '../../../src/kafka/uuid.ts';
import { topicId } from '../../../src/segment/ids.ts';

test('16 bytes survive the way to text and back', () => {
  assert(
    property(uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(parseUuid(printUuid(bytes))).toEqual(bytes);
    }),
  );
});

test("the hexadecimal form becomes Kafka's form", () => {
  expect(uuidFromHex('00000000-0000-0000-0000-000000000001')).toBe('AAAAAAAAAAAAAAAAAAAAAQ');
  expect(uuidFromHex('FFFFFFFF-ffff-ffff-ffff-ffffffffffff')).toBe('_____________________w');
});

test.each(['', 'AAAAAAAAAAAAAAAAAAAAAB', 'AAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAA+Q'])(
  'text %j is refused',
  (text) => {
    expect(() => parseUuid(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  },
);

test('hexadecimal text of another shape is refused', () => {
  expect(() => uuidFromHex('0000000000000000000000000000000001')).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});

test('a generated id is valid, not reserved, and does not start with a dash', () => {
  const random = uint8Array({ minLength: 16, maxLength: 16 });
  assert(
    property(random, nat({ max: 2 ** 31 }), nat({ max: 2 ** 20 }), (bytes, ms, scale) => {
      const id = generateUuid(bytes, ms * scale);
      expect(isUuidText(id)).toBe(true);
      expect(topicId(id)).toBe(id);
      expect(id.startsWith('-')).toBe(false);
      expect(
        parseUuid(id)
          .subarray(0, 8)
          .some((byte) => byte !== 0),
      ).toBe(true);
    }),
  );
});

test('generated ids sort by time', () => {
  const random = new Uint8Array(16).fill(255);
  const early = parseUuid(generateUuid(random, 1_700_000_000_000));
  const late = parseUuid(generateUuid(new Uint8Array(16), 1_700_000_000_001));
  expect(Buffer.compare(early, late)).toBe(-1);
});

test('a generated id says version 7, variant 10 and the milliseconds', () => {
  const bytes = parseUuid(generateUuid(new Uint8Array(16).fill(0xff), 0x0123_4567_89ab));
  expect(Buffer.from(bytes).toString('hex')).toBe('0123456789ab7fffbfffffffffffffff');
});
