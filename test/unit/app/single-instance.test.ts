import { expect, test } from 'vitest';
import { lockInstance } from '../../../src/app/single-instance.ts';

test('a second holder is refused by name until the first lets go', async () => {
  const key = `test/${process.pid}/${process.hrtime.bigint()}`;
  const first = await lockInstance('the sidecar of broker 1', key, 'stop it');
  await expect(lockInstance('the sidecar of broker 1', key, 'stop it')).rejects.toMatchObject({
    code: 'ALREADY_RUNNING',
    message: 'the sidecar of broker 1 is running already',
    hint: 'stop it',
  });
  await first.release();
  const second = await lockInstance('the sidecar of broker 1', key, 'stop it');
  await second.release();
});
