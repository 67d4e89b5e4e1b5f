// An hdfs store over a NameNode on loopback, with the settings that a test does not care about.
import { systemClock } from '../../src/platform/clock.ts';
import { systemRandom } from '../../src/platform/random.ts';
import type { HdfsStoreDeps } from '../../src/store/hdfs/hdfs-store.ts';
import { asNamed, openHdfsStore } from '../../src/store/hdfs/hdfs-store.ts';
import { hdfsStoreSettings } from '../../src/store/hdfs/settings.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';

export function hdfsStoreOn(
  nameNodeUrl: string,
  overrides: Readonly<Record<string, unknown>> = {},
  deps: Partial<HdfsStoreDeps> = {},
): ObjectStore {
  const settings = hdfsStoreSettings.parse({
    kind: 'hdfs',
    nameNodes: [nameNodeUrl],
    directory: '/tiered',
    ...overrides,
  });
  return openHdfsStore(
    { clock: systemClock, random: systemRandom, reachDataNode: asNamed, ...deps },
    settings,
  );
}
