import { expect, test } from 'vitest';
import { LogtierError } from '../../../../../src/base/errors.ts';
import { patientSnapshots } from '../../../../../src/metastore/log/etcd-log/patient-snapshots.ts';
import { type Clock, systemClock } from '../../../../../src/platform/clock.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { systemRandom } from '../../../../../src/platform/random.ts';

const NEVER = new AbortController().signal;

function patient(answers: (Uint8Array | LogtierError)[]) {
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
  };
  const get = (): Promise<Uint8Array> => {
    const answer = answers.shift();
    return answer instanceof Uint8Array ? Promise.resolve(answer) : Promise.reject(answer!);
  };
  const deps = { clock, random: systemRandom, logger: silentLogger };
  return { store: patientSnapshots(deps, { get }), waits };
}

test('a store that is away, or refuses for a while, is asked until it gives the part', async () => {
  const part = new Uint8Array([1, 2, 3]);
  const away = Array.from({ length: 40 }, (_, at) =>
    at % 2 === 0
      ? new LogtierError('STORE_UNAVAILABLE', 'away')
      : new LogtierError('STORE_DENIED', 'expired'),
  );
  const { store, waits } = patient([...away, part]);
  expect(await store.get('name/00000000', NEVER)).toEqual(part);
  expect(waits).toHaveLength(40);
  expect(Math.max(...waits)).toBeLessThanOrEqual(30_000);
});

test('a part that is gone makes the log be asked again', async () => {
  const { store } = patient([new LogtierError('OBJECT_NOT_FOUND', 'no such key')]);
  await expect(store.get('name/00000000', NEVER)).rejects.toMatchObject({
    code: 'METASTORE_UNAVAILABLE',
    message: 'part name/00000000 of the snapshot is gone from the object store',
  });
});

test('damage is told at once', async () => {
  const { store } = patient([new LogtierError('OBJECT_CORRUPT', 'other bytes')]);
  await expect(store.get('name/00000000', NEVER)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
});
