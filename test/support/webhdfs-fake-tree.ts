// The name space of the WebHDFS fake: files, directories and the refusals of a NameNode 3.5.0.

/** A RemoteException, thrown where the node would throw it. */
export class RemoteFailure extends Error {
  readonly status: number;
  readonly exception: string;

  constructor(status: number, exception: string, message: string) {
    super(message);
    this.status = status;
    this.exception = exception;
  }
}

interface FakeNode {
  readonly type: 'FILE' | 'DIRECTORY';
  bytes: Buffer;
  modifiedMs: number;
  replication: number;
  /** While its writer is at it: length 0, and no sign of it. */
  isOpen: boolean;
}

const BLOCK_BYTES = 4 * 2 ** 20;

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** HDFS compares names as signed bytes: what is not ASCII comes first. */
function compareNames(left: string, right: string): number {
  const [a, b] = [left, right].map((name) => Int8Array.from(Buffer.from(name)));
  for (let index = 0; index < Math.min(a!.length, b!.length); index += 1) {
    if (a![index] !== b![index]) return a![index]! - b![index]!;
  }
  return a!.length - b!.length;
}

function notFound(path: string): RemoteFailure {
  return new RemoteFailure(404, 'FileNotFoundException', `File ${path} not found.`);
}

export class FakeTree {
  readonly nodes = new Map<string, FakeNode>();
  liveReplicas = 3;
  isSafe = false;
  /** False: as HttpFS 3.4.2, which ignores `renameoptions` and answers with a boolean. */
  knowsRenameOptions = true;
  /** False: as HttpFS 3.4.2, and as a NameNode treats the documented spelling. */
  knowsStartAfter = true;
  pageEntries = 40;

  constructor() {
    this.nodes.set('/', this.#fresh('DIRECTORY'));
  }

  status(path: string): Record<string, unknown> {
    return this.#statusOf('', this.#find(path));
  }

  bytes(path: string): Buffer {
    const node = this.#find(path);
    if (node.type === 'DIRECTORY') {
      throw new RemoteFailure(404, 'FileNotFoundException', `Path is not a file: ${path}`);
    }
    return node.bytes;
  }

  requireReadable(path: string, offset: number): void {
    const node = this.#find(path);
    if (node.type === 'DIRECTORY') return; // told by the DataNode only
    const { length } = node.bytes;
    if (offset >= length && offset > 0) {
      const message = `Offset=${offset} out of the range [0, ${length}); OPEN, path=${path}`;
      throw new RemoteFailure(403, 'IOException', message);
    }
  }

  listBatch(path: string, startAfter: string): unknown {
    const top = this.nodes.get(path);
    if (top === undefined)
      throw new RemoteFailure(404, 'FileNotFoundException', `File ${path} does not exist.`);
    if (top.type === 'FILE') return this.#page([this.#statusOf('', top)], 0);
    const below = path === '/' ? '/' : `${path}/`;
    const all = [...this.nodes]
      .filter(
        ([one]) => one !== '/' && one.startsWith(below) && !one.slice(below.length).includes('/'),
      )
      .map(([one, node]) => ({ name: one.slice(below.length), node }))
      .toSorted((left, right) => compareNames(left.name, right.name));
    const from = this.knowsStartAfter && startAfter !== '' ? startAfter : undefined;
    const later = all.filter(({ name }) => from === undefined || compareNames(name, from) > 0);
    const page = later.slice(0, this.pageEntries);
    const statuses = page.map(({ name, node }) => this.#statusOf(name, node));
    return this.#page(statuses, later.length - page.length);
  }

  makeDirectories(path: string): void {
    this.#requireUnsafe();
    if (path.includes(':'))
      throw new RemoteFailure(400, 'InvalidPathException', `Invalid path name ${path}`);
    const parts = path.split('/').slice(1);
    parts.forEach((_, index) => {
      const one = `/${parts.slice(0, index + 1).join('/')}`;
      const there = this.nodes.get(one);
      if (there?.type === 'FILE') {
        throw new RemoteFailure(403, 'ParentNotDirectoryException', `${one} (is not a directory)`);
      }
      if (there === undefined) this.nodes.set(one, this.#fresh('DIRECTORY'));
    });
  }

  remove(path: string, recursive: boolean): boolean {
    this.#requireUnsafe();
    const node = this.#lookup(path);
    if (node === undefined) return false;
    const below = [...this.nodes.keys()].filter((one) => one.startsWith(`${path}/`));
    if (below.length > 0 && !recursive) {
      const message = `\`${path} is non empty': Directory is not empty`;
      throw new RemoteFailure(403, 'PathIsNotEmptyDirectoryException', message);
    }
    for (const one of [path, ...below]) this.nodes.delete(one);
    return true;
  }

  /** Answers with an empty body where the options are known, else as the plain rename does. */
  rename(from: string, to: string, none: boolean): unknown {
    this.#requireUnsafe();
    const source = this.nodes.get(from);
    const refusal = this.#renameRefusal(from, to);
    if (source !== undefined && refusal === undefined) {
      this.nodes.delete(from);
      this.nodes.set(to, source);
    }
    if (!none || !this.knowsRenameOptions) return { boolean: refusal === undefined };
    if (refusal !== undefined) throw refusal;
    return undefined;
  }

  /** As a DataNode does it for a client: the message ends in a Java stack trace. */
  create(path: string, replication: string): void {
    this.#requireUnsafe();
    const there = this.nodes.get(path);
    if (there?.isOpen === true) {
      throw new RemoteFailure(
        403,
        'AlreadyBeingCreatedException',
        `${path} is being created\n\tat java`,
      );
    }
    if (there !== undefined) {
      throw new RemoteFailure(
        403,
        'FileAlreadyExistsException',
        `${path} already exists\n\tat java`,
      );
    }
    this.makeDirectories(parentOf(path));
    const node = this.#fresh('FILE');
    this.nodes.set(path, { ...node, replication: Number(replication), isOpen: true });
  }

  close(path: string, bytes: Buffer): void {
    const node = this.nodes.get(path);
    if (node === undefined) {
      const message = `File ${path} does not have any open files.\n\tat java`;
      throw new RemoteFailure(404, 'FileNotFoundException', message);
    }
    Object.assign(node, { bytes, isOpen: false, modifiedMs: Date.now() });
  }

  blockLocations(path: string): unknown {
    const { bytes } = this.#find(path);
    const names = Array.from(
      { length: this.liveReplicas },
      (_, index) => `127.0.0.${index + 1}:9866`,
    );
    const blocks = Array.from({ length: Math.ceil(bytes.length / BLOCK_BYTES) }, (_, index) => ({
      offset: index * BLOCK_BYTES,
      length: Math.min(BLOCK_BYTES, bytes.length - index * BLOCK_BYTES),
      corrupt: false,
      names,
    }));
    return { BlockLocations: { BlockLocation: blocks } };
  }

  #renameRefusal(from: string, to: string): RemoteFailure | undefined {
    const parent = this.nodes.get(parentOf(to));
    const target = this.nodes.get(to);
    const no = (status: number, exception: string, message: string): RemoteFailure =>
      new RemoteFailure(status, exception, message);
    if (!this.nodes.has(from)) return no(404, 'FileNotFoundException', `source ${from} not found.`);
    if (target?.type === 'FILE') {
      return no(403, 'FileAlreadyExistsException', `rename destination ${to} already exists`);
    }
    if (target !== undefined) {
      return no(
        403,
        'IOException',
        `Source ${from} and destination ${to} must both be directories`,
      );
    }
    if (parent?.type === 'FILE') {
      const message = `${parentOf(to)} (is not a directory)`;
      return no(403, 'ParentNotDirectoryException', message);
    }
    if (parent !== undefined) return undefined;
    return no(404, 'FileNotFoundException', `rename destination parent ${to} not found.`);
  }

  #fresh(type: FakeNode['type']): FakeNode {
    return { type, bytes: Buffer.alloc(0), modifiedMs: Date.now(), replication: 0, isOpen: false };
  }

  #find(path: string): FakeNode {
    const node = this.#lookup(path);
    if (node === undefined) throw notFound(path);
    return node;
  }

  #lookup(path: string): FakeNode | undefined {
    if (this.nodes.get(parentOf(path))?.type === 'FILE') {
      const message = `${parentOf(path)} (is not a directory)`;
      throw new RemoteFailure(403, 'AccessControlException', message);
    }
    return this.nodes.get(path);
  }

  #statusOf(pathSuffix: string, node: FakeNode): Record<string, unknown> {
    const { type, bytes, modifiedMs, replication } = node;
    const length = bytes.length;
    return {
      pathSuffix,
      type,
      length,
      modificationTime: modifiedMs,
      replication,
      permission: '640',
    };
  }

  #page(statuses: readonly unknown[], remainingEntries: number): unknown {
    const partialListing = { FileStatuses: { FileStatus: statuses } };
    return { DirectoryListing: { partialListing, remainingEntries } };
  }

  #requireUnsafe(): void {
    if (!this.isSafe) return;
    const message =
      'Cannot change anything. Name node is in safe mode.\nIt was turned on manually.';
    throw new RemoteFailure(403, 'SafeModeException', message);
  }
}
