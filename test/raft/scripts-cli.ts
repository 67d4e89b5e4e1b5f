// npm run raft:scripts -- [DIR]: etcd-io/raft's scripts of DIR, or of the module fetched for it, on our core.
import { goModuleDirectory } from '../support/testbeds/go-module.ts';
import { ETCD_RAFT } from './etcd-raft.ts';
import { runScript, scriptFiles } from './scripts/run-scripts.ts';

async function main(): Promise<void> {
  const directory = process.argv[2] ?? (await goModuleDirectory(ETCD_RAFT));
  let passed = 0;
  let failed = 0;
  for (const file of scriptFiles(directory)) {
    const { failures, directives } = runScript(file);
    if (failures.length === 0) {
      passed++;
      console.log(`ok ${file.name} (${directives} directives)`);
      continue;
    }
    failed++;
    for (const { line, command, expected, actual } of failures) {
      console.log(`FAILED ${file.name}:${line} ${command}`);
      console.log(`--- expected\n${expected}+++ actual\n${actual}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
