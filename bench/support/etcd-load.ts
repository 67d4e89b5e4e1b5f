// The load generator for etcd, built from its Go module once a machine.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachePath, contentKey, once } from '../../test/support/testbeds/cache.ts';
import { runToEnd } from '../../test/support/testbeds/processes.ts';

/** Path of the binary. */
export async function etcdLoad(): Promise<string> {
  const module = fileURLToPath(new URL('../etcd-load', import.meta.url));
  const texts = await Promise.all(
    ['main.go', 'go.sum'].map((name) => readFile(join(module, name), 'utf8')),
  );
  const directory = await once('etcd-load', contentKey(...texts), async (into) => {
    await runToEnd({
      name: 'go build etcd-load',
      command: 'go',
      args: ['build', '-ldflags', '-s -w', '-o', join(into, 'etcd-load'), '.'],
      cwd: module,
      logFile: cachePath('etcd-load', 'go-build.log'),
      env: { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -modcacherw' },
    });
  });
  return join(directory, 'etcd-load');
}
