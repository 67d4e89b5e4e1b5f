// Each store: does it answer, what does it really do, can it put, give and delete?
import { byteRange } from '../../base/byte-range.ts';
import type { Random } from '../../platform/random.ts';
import type { Diagnosis } from '../../gen/logtier/v1/operator.ts';
import { bytesSource } from '../../store/byte-source.ts';
import { PROBE_PREFIX } from '../../store/object-key.ts';
import { nobody, type ObjectStore } from '../../store/object-store.ts';
import { fail, failed, ok, type Check } from '../diagnosis.ts';

export interface StoreCheckDeps {
  /** By configured name. */
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly random: Random;
}

const OBJECT_BYTES = 1024;
const HINT = 'check the store’s address, credentials and that they may put, get, list and delete';

export function storeChecks({ stores, random }: StoreCheckDeps): Check[] {
  if (stores.size === 0) {
    const none = fail('stores', 'no store is configured', 'name one under stores');
    return [{ name: 'stores', run: () => Promise.resolve([none]) }];
  }
  return [...stores].flatMap(([name, store]): Check[] => [
    {
      name: `store-${name}`,
      run: (signal) => checkObject(`store-${name}`, store, random, signal),
    },
    {
      name: `store-${name}-probe`,
      run: (signal) => checkProbe(`store-${name}-probe`, store, signal),
    },
  ]);
}

async function checkObject(
  check: string,
  store: ObjectStore,
  random: Random,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const bytes = random.bytes(OBJECT_BYTES);
  const key = `${PROBE_PREFIX}doctor-${Buffer.from(random.bytes(8)).toString('hex')}`;
  try {
    await store.put(key, bytesSource(bytes), nobody, signal);
    const pieces: Buffer[] = [];
    for await (const piece of store.get(key, byteRange(0, OBJECT_BYTES), signal))
      pieces.push(Buffer.from(piece));
    const refused = await store.delete([key], signal);
    if (!Buffer.concat(pieces).equals(bytes))
      return [fail(check, 'other bytes came back than were put', 'do not use this store')];
    const [first] = refused;
    if (first !== undefined) return [fail(check, `it refuses to delete: ${first.reason}`, HINT)];
    return [ok(check, 'put, get and delete of a small object work')];
  } catch (error) {
    return [failed(check, 'a small object could not be put, read and deleted', error, HINT)];
  }
}

async function checkProbe(
  check: string,
  store: ObjectStore,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  try {
    const { findings } = await store.probe(signal);
    return findings.map((finding) => ok(check, finding));
  } catch (error) {
    return [failed(check, 'the probe failed', error, HINT)];
  }
}
