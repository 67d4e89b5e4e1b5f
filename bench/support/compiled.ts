// Processes of the metastore benches run what production runs: JavaScript that tsc made, in .cache/bench-js. The
// loader of the other benches wraps every function, which costs a metastore half of its rate.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachePath } from '../../test/support/testbeds/cache.ts';
import { runToEnd } from '../../test/support/testbeds/processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let compiling: Promise<string> | undefined;

/** The compiled twin of a source file; all of them are compiled once a process. */
export async function compiled(source: URL): Promise<string> {
  compiling ??= compile();
  const name = relative(ROOT, fileURLToPath(source)).replace(/\.ts$/, '.js');
  return join(await compiling, name);
}

async function compile(): Promise<string> {
  const outDir = cachePath('bench-js');
  await mkdir(cachePath(), { recursive: true });
  const config = cachePath('tsconfig.bench.json');
  await writeFile(
    config,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        noCheck: true,
        declaration: false,
        sourceMap: false,
        rootDir: ROOT,
        outDir,
      },
      include: ['src', 'bench', 'test/support'].map((name) => join(ROOT, name)),
    }),
  );
  await runToEnd({
    name: 'tsc',
    command: join(ROOT, 'node_modules/.bin/tsc'),
    args: ['-p', config],
    logFile: cachePath('bench-js.log'),
  });
  return outDir;
}
