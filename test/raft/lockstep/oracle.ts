import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { cachePath } from '../../support/testbeds/cache.ts';
import { startProcess, type TestProcess } from '../../support/testbeds/processes.ts';
import { oracleBinary } from '../etcd-raft.ts';

const HEAD_BYTES = 4;

/** etcd's core in a process of its own: lines in, as many lines out. */
export class Oracle {
  readonly #process: TestProcess;
  readonly #stdin: Writable;
  readonly #frames: AsyncIterator<string>;

  private constructor(child: TestProcess, stdin: Writable, stdout: Readable) {
    this.#process = child;
    this.#stdin = stdin;
    this.#frames = frames(stdout);
  }

  static async start(): Promise<Oracle> {
    const child = await startProcess({
      name: 'raft oracle',
      command: await oracleBinary(),
      args: [],
      logFile: cachePath('raft-oracle', 'oracle.log'),
      pipes: true,
    });
    const { stdin, stdout } = child;
    if (stdin === undefined || stdout === undefined) throw new Error('the oracle has no pipes');
    return new Oracle(child, stdin, stdout);
  }

  /** May be called again before the answer is read; answers come in the order of the requests. */
  async ask(lines: readonly string[]): Promise<void> {
    const body = Buffer.from(lines.join('\n'));
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(body.length);
    if (!this.#stdin.write(Buffer.concat([head, body]))) await once(this.#stdin, 'drain');
  }

  async answer(): Promise<readonly string[]> {
    const next = await this.#frames.next();
    if (next.done === true) throw new Error(`the oracle ended\n${this.#process.logTail()}`);
    return next.value.split('\n').slice(0, -1);
  }

  stop(): Promise<void> {
    this.#stdin.end();
    return this.#process.stop();
  }
}

async function* frames(stdout: Readable): AsyncGenerator<string, void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let wantedBytes = HEAD_BYTES;
  for await (const part of stdout) {
    held.push(part);
    heldBytes += part.length;
    while (heldBytes >= wantedBytes) {
      const all = Buffer.concat(held);
      wantedBytes = HEAD_BYTES + all.readUInt32BE();
      held = [all];
      if (heldBytes < wantedBytes) break;
      yield all.toString('utf8', HEAD_BYTES, wantedBytes);
      held = [all.subarray(wantedBytes)];
      heldBytes -= wantedBytes;
      wantedBytes = HEAD_BYTES;
    }
  }
}
