// A metastore process that a test kills and starts again over the same directory.
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startProcess, type TestProcess } from './testbeds/processes.ts';

const CHILD = join(import.meta.dirname, '../e2e/metastore-member.child.ts');

export class MetastoreProcess {
  readonly address: string;
  private readonly directory: string;
  private readonly flushMs: number;
  private child: TestProcess | undefined;

  constructor(directory: string, flushMs: number) {
    this.directory = directory;
    this.flushMs = flushMs;
    this.address = `unix:${directory}/socket`;
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const args = ['--import', 'tsx', CHILD, `${this.directory}/state`, this.address];
    const child = await startProcess({
      name: 'metastore',
      command: process.execPath,
      args: [...args, String(this.flushMs)],
      logFile: join(this.directory, 'metastore.log'),
      pipes: true,
    });
    this.child = child;
    if (child.stdout === undefined) throw new Error('the metastore says nothing');
    const served = once(createInterface({ input: child.stdout }), 'line').then(() => true);
    if (await Promise.race([served, child.exited.then(() => false)])) return;
    throw new Error(`the metastore ended before it served\n${child.logTail()}`);
  }

  /** As `kill -9` does, in the middle of whatever it does. */
  async kill(): Promise<void> {
    this.child?.kill('SIGKILL');
    await this.child?.exited;
  }

  async stop(): Promise<void> {
    await this.child?.stop();
  }
}
