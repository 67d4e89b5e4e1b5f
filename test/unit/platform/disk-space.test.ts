import { expect, test } from 'vitest';
import { diskSpaceOf } from '../../../src/platform/disk-space.ts';

test('tells what is free on the file system of a path, and the errno of a missing one', async () => {
  const { freeBytes, sizeBytes } = await diskSpaceOf('/');
  expect(sizeBytes).toBeGreaterThan(0);
  expect(freeBytes).toBeGreaterThanOrEqual(0);
  expect(freeBytes).toBeLessThanOrEqual(sizeBytes);
  await expect(diskSpaceOf('/no/such/path')).rejects.toMatchObject({ code: 'ENOENT' });
});
