// Snapshots of a metastore whose log is in etcd, in an object store that may hold segments too.
import { LogtierError } from '../base/errors.ts';
import {
  SNAPSHOT_PART_BYTES,
  type SnapshotStore,
} from '../metastore/log/etcd-log/snapshot-store.ts';
import { bytesSource } from '../store/byte-source.ts';
import { nobody, type ObjectStore } from '../store/object-store.ts';

/** No id of a Kafka cluster begins with a dot, so that no eraser and no audit of segments ever comes here. */
export const SNAPSHOT_PREFIX = '.logtier-metastore/';

/** Keys of one delete. */
const DELETE_KEYS = 500;

export type SnapshotObjects = Pick<ObjectStore, 'put' | 'get' | 'stat' | 'list' | 'delete'>;

export function objectSnapshots(objects: SnapshotObjects, metastoreId: string): SnapshotStore {
  const base = `${SNAPSHOT_PREFIX}${metastoreId}/`;
  return {
    put: async (name, bytes, signal) => {
      await objects.put(base + name, bytesSource(bytes), nobody, signal);
    },
    get: (name, signal) => readWhole(objects, base + name, signal),
    async *list(signal) {
      for await (const { key } of objects.list(base, '', signal)) yield key.slice(base.length);
    },
    delete: async (names, signal) => {
      for (let start = 0; start < names.length; start += DELETE_KEYS) {
        const keys = names.slice(start, start + DELETE_KEYS).map((name) => base + name);
        const [refused] = await objects.delete(keys, signal);
        if (refused === undefined) continue;
        throw new LogtierError('STORE_DENIED', `deleting ${refused.key}: ${refused.reason}`);
      }
    },
  };
}

async function readWhole(
  objects: SnapshotObjects,
  key: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { sizeBytes } = await objects.stat(key, signal);
  if (sizeBytes > SNAPSHOT_PART_BYTES) {
    throw new LogtierError('OBJECT_CORRUPT', `${key} is no part of a snapshot: ${sizeBytes} bytes`);
  }
  const whole = new Uint8Array(sizeBytes);
  let filled = 0;
  for await (const chunk of objects.get(key, { start: 0, end: sizeBytes }, signal)) {
    whole.set(chunk, filled);
    filled += chunk.length;
  }
  return whole;
}
