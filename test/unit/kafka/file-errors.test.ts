import { expect, test } from 'vitest';
import { reactionTo } from '../../../src/base/errors.ts';
import { corrupt, truncated, unsupported } from '../../../src/kafka/file-errors.ts';

test.each([
  [corrupt, 'CORRUPT_FILE', 'quarantine'],
  [truncated, 'TRUNCATED_FILE', 'retry'],
  [unsupported, 'UNSUPPORTED_FORMAT', 'quarantine'],
] as const)('%o tells file and position, and what to do', (fault, code, reaction) => {
  const error = fault('time index')('it is odd', 24);
  expect(error).toMatchObject({
    code,
    message: 'time index at 24: it is odd',
    details: { file: 'time index', position: 24 },
  });
  expect(reactionTo(error)).toBe(reaction);
});
