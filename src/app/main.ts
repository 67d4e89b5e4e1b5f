#!/usr/bin/env node
// The one executable: every role and every command of an operator.
import { setMaxListeners } from 'node:events';
import { LogtierError } from '../base/errors.ts';
import { runCli } from '../cli/program.ts';
import { createHost, terminalIo } from './host.ts';
import { VERSION } from './version.ts';

// One signal of the process is listened to by everything that runs; that is no leak.
setMaxListeners(0);

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort(new LogtierError('ABORTED', `stopped by ${name}`));
  });
}
// Whoever reads our output may leave early (`| head`): that is no failure.
process.stdout.on('error', () => {
  process.exit(0);
});

const host = createHost({
  version: VERSION,
  environment: process.env,
  signal: stopping.signal,
  io: terminalIo(),
});
process.exitCode = await runCli(host, process.argv.slice(2));
