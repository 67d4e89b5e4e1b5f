// npm run test:mutants -- [--only core|shell] [FIRST [LAST]]: breaks the metastore in many ways, one at a time, and
// tells which proof notices. FIRST and LAST count from 1, within the core or the shell.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheRoot } from '../support/testbeds/cache.ts';
import { raftMutants } from './raft-mutants.ts';
import { SIMULATOR } from './shell-mutant.ts';
import { shellMutants } from './shell-mutants.ts';

/** A mutant that loops for ever is caught too: every proof would hang. */
const PROOF_BOUND_MS = 180_000;

const LOCKSTEP_STEPS = '200000';

/** Runs of whole members for a mutant of the shell. */
const SEEDS = '100';

interface Proof {
  readonly name: string;
  readonly args: readonly string[];
}

interface Mutant {
  readonly bug: string;
  readonly path: string;
  readonly find: string;
  readonly replace: string;
  /** The cheapest first; the first that fails is told. */
  readonly proofs: readonly Proof[];
}

const CORE_PROOFS: readonly Proof[] = [
  { name: 'scripts', args: ['--import', 'tsx', 'test/raft/scripts-cli.ts'] },
  {
    name: 'lock step',
    args: ['--import', 'tsx', 'test/raft/lockstep-cli.ts', '--steps', LOCKSTEP_STEPS],
  },
  { name: 'unit tests', args: fastTests('test/unit/metastore/raft') },
];

const COPIED = [
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
  'src',
  'scripts',
  'proto',
  'test/contract',
  'test/golden',
  'test/raft',
  'test/sim',
  'test/support',
  'test/unit/metastore',
];

function fastTests(path: string): readonly string[] {
  return ['node_modules/vitest/vitest.mjs', 'run', '--project', 'fast', path];
}

function proofOf(noticedBy: string): Proof {
  const simulated = ['--import', 'tsx', 'scripts/sim.ts', '--seed', '1', '--seeds', SEEDS];
  return { name: noticedBy, args: noticedBy === SIMULATOR ? simulated : fastTests(noticedBy) };
}

const groups: Readonly<Record<string, readonly Mutant[]>> = {
  core: raftMutants.map((mutant) => ({
    ...mutant,
    path: `src/metastore/raft/${mutant.file}`,
    proofs: CORE_PROOFS,
  })),
  shell: shellMutants.map((mutant) => ({
    ...mutant,
    path: `src/metastore/${mutant.file}`,
    proofs: [proofOf(mutant.noticedBy)],
  })),
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' } },
    allowPositionals: true,
  });
  const copy = mkdtempSync(join(tmpdir(), 'logtier-mutants-'));
  for (const path of COPIED) cpSync(path, join(copy, path), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));
  let passed = 0;
  let failed = 0;
  for (const [name, all] of Object.entries(groups)) {
    if (values.only !== undefined && values.only !== name) continue;
    const [first = '1', last = String(all.length)] = positionals;
    const mutants = all.slice(Number(first) - 1, Number(last));
    await requireSound(copy, mutants);
    for (const mutant of mutants) {
      const caughtBy = await tryMutant(copy, mutant);
      if (caughtBy === undefined) failed += 1;
      else passed += 1;
      console.log(`${(caughtBy ?? 'NOT CAUGHT').padEnd(10)}  ${mutant.path}: ${mutant.bug}`);
    }
  }
  rmSync(copy, { recursive: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** A proof that fails without a mutant proves nothing. */
async function requireSound(copy: string, mutants: readonly Mutant[]): Promise<void> {
  const proofs = new Map(
    mutants.flatMap(({ proofs: all }) => all.map((each) => [each.name, each])),
  );
  for (const proof of proofs.values()) {
    if (!(await holds(copy, proof))) throw new Error(`fails without a mutant: ${proof.name}`);
  }
}

async function tryMutant(copy: string, mutant: Mutant): Promise<string | undefined> {
  const file = join(copy, mutant.path);
  const sound = readFileSync(file, 'utf8');
  const parts = sound.split(mutant.find);
  if (parts.length !== 2) {
    throw new Error(`${mutant.path} holds ${parts.length - 1} times: ${mutant.find}`);
  }
  writeFileSync(file, parts.join(mutant.replace));
  const caughtBy = await firstFailure(copy, mutant.proofs);
  writeFileSync(file, sound);
  return caughtBy;
}

async function firstFailure(copy: string, proofs: readonly Proof[]): Promise<string | undefined> {
  for (const proof of proofs) if (!(await holds(copy, proof))) return proof.name;
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
