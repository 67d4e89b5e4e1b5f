// A metastore process that a test kills and starts again over the same directory.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const CHILD = join(import.meta.dirname, '../e2e/metastore-member.child.ts');

export class MetastoreProcess {
  readonly address: string;
  private readonly directory: string;
  private readonly flushMs: number;
  private child: ChildProcess | undefined;

  constructor(directory: string, flushMs: number) {
    this.directory = directory;
    this.flushMs = flushMs;
    this.address = `unix:${directory}/socket`;
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const args = ['--import', 'tsx', CHILD, `${this.directory}/state`, this.address];
    const child = spawn(process.execPath, [...args, String(this.flushMs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === 'serving') return;
    }
    throw new Error('the metastore ended before it served');
  }

  /** As `kill -9` does, in the middle of whatever it does. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }
}
