// Starts a process that would run for ever, says its pid, and waits to be killed.
import { startProcess } from '../support/testbeds/processes.ts';

const child = await startProcess({
  name: 'sleep',
  command: 'sleep',
  args: ['600'],
  logFile: process.argv[2]!,
});
process.stdout.write(`${child.pid}\n`);
await child.exited;
