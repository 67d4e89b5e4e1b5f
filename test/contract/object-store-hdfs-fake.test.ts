import { describeObjectStore } from './object-store.ts';
import { hdfsStoreOn } from '../support/hdfs-store-on.ts';
import { startWebhdfsFake } from '../support/webhdfs-fake.ts';

/** Pages of the fake hold 40 entries: so many keys are several. */
const options = { largeBytes: 9 * 2 ** 20 + 123, manyKeys: 110 };

describeObjectStore(
  'hdfs on the WebHDFS fake',
  async () => {
    const fake = await startWebhdfsFake();
    return { store: hdfsStoreOn(fake.nameNodeUrl), close: () => fake.stop() };
  },
  options,
);
