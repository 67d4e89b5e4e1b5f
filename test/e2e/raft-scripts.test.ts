// etcd-io/raft's own data-driven scripts, as they come with its Go module, hold for our core.
import { expect, test } from 'vitest';
import { ETCD_RAFT } from '../raft/etcd-raft.ts';
import { runScript, scriptFiles } from '../raft/scripts/run-scripts.ts';
import { goModuleDirectory } from '../support/testbeds/go-module.ts';

const files = scriptFiles(await goModuleDirectory(ETCD_RAFT));

test('the module holds 41 scripts', () => {
  expect(files.length).toBe(41);
});

test.each(files)('our core answers $name word for word', (file) => {
  const { directives, failures } = runScript(file);
  expect(directives).toBeGreaterThan(0);
  expect(failures).toEqual([]);
});
