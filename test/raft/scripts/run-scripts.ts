// Runs etcd-io/raft's data-driven scripts on our core. They come with the Go module and stay there.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { interactionScript } from './interaction-commands.ts';
import { membershipScript } from './membership-commands.ts';
import { quorumScript } from './quorum-commands.ts';
import { type Directive, parseScript } from './script-file.ts';

export interface ScriptFile {
  /** `testdata/campaign.txt`. */
  readonly name: string;
  readonly path: string;
  readonly start: () => (directive: Directive) => string;
}

export interface ScriptResult {
  readonly directives: number;
  readonly failures: readonly ScriptFailure[];
}

export interface ScriptFailure {
  readonly line: number;
  readonly command: string;
  readonly expected: string;
  readonly actual: string;
}

const FOLDERS = [
  { folder: 'testdata', start: interactionScript },
  { folder: 'quorum/testdata', start: quorumScript },
  { folder: 'confchange/testdata', start: membershipScript },
] as const;

/** All scripts of a copy of etcd-io/raft. Throws when a folder has none. */
export function scriptFiles(moduleDirectory: string): readonly ScriptFile[] {
  return FOLDERS.flatMap(({ folder, start }) => {
    const names = readdirSync(join(moduleDirectory, folder)).filter((name) =>
      name.endsWith('.txt'),
    );
    if (names.length === 0) throw new Error(`no scripts in ${folder}`);
    return names.toSorted().map((name) => ({
      name: `${folder}/${basename(name)}`,
      path: join(moduleDirectory, folder, name),
      start,
    }));
  });
}

/** Goes on after a failure; what follows it is often its echo. */
export function runScript(file: ScriptFile): ScriptResult {
  const directives = parseScript(readFileSync(file.path, 'utf8'));
  if (directives.length === 0) throw new Error(`${file.name} has no directive`);
  const run = file.start();
  const failures: ScriptFailure[] = [];
  for (const { line, command, expected, ...rest } of directives) {
    const text = run({ line, command, expected, ...rest });
    const actual = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    if (actual !== expected) failures.push({ line, command, expected, actual });
  }
  return { directives: directives.length, failures };
}
