// A metastore group of real processes from the files of deploy/group-of-three, on free ports and directories of a test;
// commands of the documents run against it to the letter.
import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from './testbeds/ports.ts';
import { startProcess, type TestProcess, untilReady } from './testbeds/processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOGTIER = ['--import', 'tsx', join(ROOT, 'src/app/main.ts')];
const EXAMPLES = join(ROOT, 'deploy/group-of-three');
const NODES = [1, 2, 3, 4];

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class ExampleGroup {
  readonly directory: string;
  /** What the documents say, and what it is here. */
  private readonly words: readonly (readonly [said: string, here: string])[];
  private readonly running = new Map<number, TestProcess>();

  private constructor(directory: string, ports: readonly number[]) {
    this.directory = directory;
    this.words = [
      ...NODES.flatMap((node, at) => [
        [`127.0.0.1:${7400 + node * 10}`, `127.0.0.1:${ports[2 * at]}`] as const,
        [`127.0.0.1:${7402 + node * 10}`, `127.0.0.1:${ports[2 * at + 1]}`] as const,
      ]),
      ['/var/lib/logtier', directory],
      ['/etc/logtier', directory],
      ['/backup', directory],
    ];
  }

  /** Nothing runs yet. */
  static async create(): Promise<ExampleGroup> {
    const directory = await fs.mkdtemp(join(tmpdir(), 'logtier-group-'));
    const group = new ExampleGroup(directory, await freePorts(2 * NODES.length));
    for (const node of NODES) {
      const name = `member-${node}.yaml`;
      const text = await fs.readFile(join(EXAMPLES, name), 'utf8');
      await fs.writeFile(join(directory, name), group.here(text));
    }
    return group;
  }

  /** A text of the documents with the ports and directories of this test. */
  here(text: string): string {
    return this.words.reduce((done, [said, real]) => done.replaceAll(said, real), text);
  }

  address(node: number): string {
    return this.here(`127.0.0.1:${7400 + node * 10}`);
  }

  /** Resolves when it is ready: in a group, and somebody leads. */
  async start(node: number): Promise<void> {
    const child = await this.launch(node);
    const url = `http://${this.here(`127.0.0.1:${7402 + node * 10}`)}/readyz`;
    await untilReady(child, async (signal) => (await fetch(url, { signal })).ok);
  }

  async launch(node: number): Promise<TestProcess> {
    const child = await startProcess({
      name: `member ${node}`,
      command: process.execPath,
      args: [...LOGTIER, '--config', join(this.directory, `member-${node}.yaml`), 'metastore'],
      cwd: ROOT,
      logFile: this.logFile(node),
    });
    this.running.set(node, child);
    return child;
  }

  async metrics(node: number): Promise<string> {
    const answer = await fetch(`http://${this.here(`127.0.0.1:${7402 + node * 10}`)}/metrics`);
    return await answer.text();
  }

  logFile(node: number): string {
    return join(this.directory, `member-${node}.log`);
  }

  async kill(node: number): Promise<void> {
    const child = this.running.get(node);
    child?.kill('SIGKILL');
    await child?.exited;
  }

  /** By SIGTERM. */
  async end(node: number): Promise<void> {
    await this.running.get(node)?.stop();
  }

  /** Its directory is as new. */
  async wipe(node: number): Promise<void> {
    await fs.rm(join(this.directory, `metastore-${node}`), { recursive: true });
  }

  /** Its settings file. */
  async change(node: number, edit: (text: string) => string): Promise<void> {
    const file = join(this.directory, `member-${node}.yaml`);
    await fs.writeFile(file, edit(await fs.readFile(file, 'utf8')));
  }

  /** `line` as a document has it, beginning with `logtier`. */
  logtier(line: string): Promise<Ended> {
    const [, ...words] = this.here(line).split(/\s+/);
    return new Promise((resolve) => {
      execFile(process.execPath, [...LOGTIER, ...words], { cwd: ROOT }, (error, out, err) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ code, out, err });
      });
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.running.values()].map((child) => child.stop()));
    await fs.rm(this.directory, { recursive: true, force: true });
  }
}

/** The lines of shell in a document, in order. */
export async function commandsIn(page: string): Promise<string[]> {
  const text = await fs.readFile(join(ROOT, page), 'utf8');
  const blocks = [...text.matchAll(/^ *```sh\n([^]*?)^ *```/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split('\n')
      .map((line) => line.replace(/ #.*$/, '').trim())
      .filter((line) => line !== ''),
  );
}
