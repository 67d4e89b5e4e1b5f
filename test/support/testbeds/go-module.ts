// Go modules and programs for tests: fetched through the Go proxy, built once per machine under `.cache/`.
import * as fs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cachePath, contentKey, once } from './cache.ts';
import { runToEnd } from './processes.ts';

const GO_FLAGS = '-buildvcs=false -modcacherw';

export interface GoModule {
  /** `go.etcd.io/raft/v3`. */
  readonly path: string;
  /** `v3.7.0`. */
  readonly version: string;
}

export interface GoProgram {
  /** Names the binary and its directory in the cache. */
  readonly name: string;
  /** The program's own module: flat, with go.mod and go.sum. */
  readonly directory: string;
  /** One module it is built with is changed first; the copy lives only while it is built. */
  readonly patched: ModulePatch;
}

export interface ModulePatch {
  readonly module: GoModule;
  /** What each file becomes; a file that is not there yet comes to `edit` as no text. */
  readonly edits: readonly FileEdit[];
}

export interface FileEdit {
  /** In the module. */
  readonly file: string;
  /** Empty: the file is new. */
  readonly find: string;
  /** Takes the place of the one occurrence of `find`. */
  readonly replace: string;
}

/** The directory of a module's files; read only: it is the Go module cache. */
export async function goModuleDirectory(module: GoModule): Promise<string> {
  const spec = `${module.path}@${module.version}`;
  const answer = await runToEnd({
    name: `go mod download ${spec}`,
    command: 'go',
    args: ['mod', 'download', '-json', spec],
    logFile: cachePath('go-module', 'download.log'),
    env: { GOFLAGS: GO_FLAGS },
  });
  const { Dir: directory }: { readonly Dir?: unknown } = JSON.parse(answer);
  if (typeof directory !== 'string') throw new Error(`go mod download ${spec} names no directory`);
  return directory;
}

/** The program's binary. Its key is the text of all it is made of, so an edit builds anew. */
export async function goBinary(program: GoProgram): Promise<string> {
  const names = (await fs.readdir(program.directory)).toSorted();
  const texts = await Promise.all(
    names.map((name) => fs.readFile(join(program.directory, name), 'utf8')),
  );
  const version = contentKey(...names, ...texts, JSON.stringify(program.patched));
  const directory = await once(program.name, version, async (into) => {
    const work = join(into, 'build');
    await fs.cp(program.directory, work, { recursive: true });
    await addPatchedModule(work, program.patched);
    await runToEnd({
      name: `go build ${program.name}`,
      command: 'go',
      args: ['build', '-o', join(into, program.name), '.'],
      cwd: work,
      logFile: cachePath(program.name, 'go-build.log'),
      env: { CGO_ENABLED: '0', GOFLAGS: GO_FLAGS },
    });
    await fs.rm(work, { recursive: true });
  });
  return join(directory, program.name);
}

/** Files of the module cache may not be overlaid, so the program is told to use a changed copy. */
async function addPatchedModule(work: string, patch: ModulePatch): Promise<void> {
  const copy = join(work, 'patched-module');
  await fs.cp(await goModuleDirectory(patch.module), copy, {
    recursive: true,
    filter: (path) => !path.endsWith('_test.go') && !path.endsWith('testdata'),
  });
  for (const edit of patch.edits) await applyEdit(copy, edit);
  await fs.appendFile(join(work, 'go.mod'), `\nreplace ${patch.module.path} => ./patched-module\n`);
}

async function applyEdit(directory: string, edit: FileEdit): Promise<void> {
  const file = join(directory, edit.file);
  const before = edit.find === '' ? '' : await fs.readFile(file, 'utf8');
  const parts = before.split(edit.find);
  if (edit.find !== '' && parts.length !== 2) {
    throw new Error(`${edit.file} holds ${parts.length - 1} times: ${edit.find}`);
  }
  await fs.chmod(dirname(file), 0o755);
  await fs.rm(file, { force: true });
  await fs.writeFile(file, edit.find === '' ? edit.replace : parts.join(edit.replace));
}
