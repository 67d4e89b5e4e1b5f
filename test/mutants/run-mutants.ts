// npm run test:mutants -- [FIRST [LAST]]: breaks the Raft core in many ways, one at a time, and tells which
// proof notices. FIRST and LAST count from 1.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheRoot } from '../support/testbeds/cache.ts';
import { type Mutant, raftMutants } from './raft-mutants.ts';

/** A mutant that loops for ever is caught too: every proof would hang. */
const PROOF_BOUND_MS = 120_000;

const LOCKSTEP_STEPS = '200000';

interface Proof {
  readonly name: string;
  readonly args: readonly string[];
}

/** The cheapest first; the first that fails is told. */
const PROOFS: readonly Proof[] = [
  { name: 'scripts', args: ['--import', 'tsx', 'test/raft/scripts-cli.ts'] },
  {
    name: 'lock step',
    args: ['--import', 'tsx', 'test/raft/lockstep-cli.ts', '--steps', LOCKSTEP_STEPS],
  },
  {
    name: 'unit tests',
    args: [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project',
      'fast',
      'test/unit/metastore/raft',
    ],
  },
];

const COPIED = [
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  'src/base',
  'src/metastore/raft',
  'test/raft',
  'test/support',
  'test/unit/metastore/raft',
];

async function main(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), 'logtier-mutants-'));
  for (const path of COPIED) cpSync(path, join(copy, path), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  const sound = await firstFailure(copy);
  if (sound !== undefined) throw new Error(`the core without a mutant fails: ${sound}`);
  const [first = '1', last = String(raftMutants.length)] = process.argv.slice(2);
  const mutants = raftMutants.slice(Number(first) - 1, Number(last));
  let missed = 0;
  for (const mutant of mutants) {
    const caughtBy = await tryMutant(copy, mutant);
    if (caughtBy === undefined) missed++;
    console.log(`${(caughtBy ?? 'NOT CAUGHT').padEnd(10)}  ${mutant.file}: ${mutant.bug}`);
  }
  rmSync(copy, { recursive: true });
  console.log(`${mutants.length - missed} passed, ${missed} failed`);
  process.exitCode = missed === 0 ? 0 : 1;
}

async function tryMutant(copy: string, mutant: Mutant): Promise<string | undefined> {
  const file = join(copy, 'src/metastore/raft', mutant.file);
  const sound = readFileSync(file, 'utf8');
  const parts = sound.split(mutant.find);
  if (parts.length !== 2) {
    throw new Error(`${mutant.file} holds ${parts.length - 1} times: ${mutant.find}`);
  }
  writeFileSync(file, parts.join(mutant.replace));
  const caughtBy = await firstFailure(copy);
  writeFileSync(file, sound);
  return caughtBy;
}

async function firstFailure(copy: string): Promise<string | undefined> {
  for (const proof of PROOFS) if (!(await holds(copy, proof))) return proof.name;
  return undefined;
}

function holds(copy: string, proof: Proof): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, proof.args, {
      cwd: copy,
      env: { ...process.env, LOGTIER_CACHE: cacheRoot() },
      stdio: 'ignore',
      timeout: PROOF_BOUND_MS,
      killSignal: 'SIGKILL',
    });
    child.once('close', (code) => resolve(code === 0));
    child.once('error', () => resolve(false));
  });
}

await main();
