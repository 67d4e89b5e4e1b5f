// A Disk in memory that tells what was synced from what was not, and can lose power at any moment.
//
// Bytes: a crash keeps any subset of the unsynced sectors of a file (torn, reordered). Names: a crash
// keeps a prefix of the unsynced renames, links and unlinks, as a journaling file system does.
import type {
  Disk,
  DirectoryEntry,
  DiskFile,
  FileStat,
  OpenMode,
} from '../../src/platform/disk.ts';

const SECTOR_BYTES = 512;

/** A draw from [0, 1). */
export type Draw = () => number;

/** mulberry32: the same draws for the same seed. */
export function seededDraw(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Inode {
  readonly ino: bigint;
  /** What reads see. */
  current: Buffer;
  /** What is on the platter. */
  durable: Buffer;
  readonly dirty: Set<number>;
}

interface NameChange {
  readonly directories: readonly string[];
  apply(names: Map<string, Inode>): void;
}

export type Operation = 'open' | 'read' | 'write' | 'sync' | 'rename' | 'unlink' | 'syncDirectory';

/** Answers the errno that the operation fails with; undefined lets it through. */
export type Fault = (operation: Operation, path: string) => string | undefined;

function errno(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function resized(bytes: Buffer, sizeBytes: number): Buffer {
  const copy = Buffer.alloc(sizeBytes);
  bytes.copy(copy, 0, 0, Math.min(bytes.length, sizeBytes));
  return copy;
}

export class MemoryDisk implements Disk {
  /** Set by a test to fail operations. */
  fault: Fault = () => undefined;
  /** Bytes of all files together; writes beyond it are ENOSPC. */
  capacityBytes = Infinity;
  /** Set by a simulator to schedule completions; called before each operation takes effect. */
  schedule: () => Promise<void> = () => Promise.resolve();
  syncs = 0;
  writes = 0;
  private names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  private pendingNames: NameChange[] = [];
  private readonly directories = new Set<string>(['/']);
  private readonly watchers = new Map<string, Set<() => void>>();
  private nextIno = 1n;
  /** Handles of an earlier life answer EIO. */
  private life = 0;

  /** The disk as one process sees it: after a crash or kill it answers EIO and changes nothing. */
  forProcess(): Disk {
    const { life } = this;
    const alive = async <T>(act: () => Promise<T>): Promise<T> => {
      await this.schedule();
      if (life !== this.life) throw errno('EIO', 'the process is dead');
      return await act();
    };
    return {
      open: (path, mode) => alive(() => this.open(path, mode)),
      stat: (path) => alive(() => this.stat(path)),
      readFile: (path) => alive(() => this.readFile(path)),
      list: (path) => alive(() => this.list(path)),
      makeDirectory: (path) => alive(() => this.makeDirectory(path)),
      rename: (from, to) => alive(() => this.rename(from, to)),
      link: (from, to) => alive(() => this.link(from, to)),
      unlink: (path) => alive(() => this.unlink(path)),
      removeDirectory: (path) => alive(() => this.removeDirectory(path)),
      syncDirectory: (path) => alive(() => this.syncDirectory(path)),
      watch: (path, onEvent) => this.watch(path, onEvent),
    };
  }

  /** Power loss: what was not synced survives in part; all handles are dead. */
  crash(draw: Draw): void {
    this.life += 1;
    const kept = this.pendingNames.slice(0, Math.floor(draw() * (this.pendingNames.length + 1)));
    for (const change of kept) change.apply(this.durableNames);
    this.pendingNames = [];
    this.names = new Map(this.durableNames);
    for (const inode of new Set(this.names.values())) loseUnsynced(inode, draw);
  }

  /** kill -9: the kernel keeps what was written; all handles are dead. */
  killProcess(): void {
    this.life += 1;
  }

  flipBit(path: string, position: number, bit: number): void {
    const inode = this.inodeOf(path);
    for (const bytes of [inode.current, inode.durable]) {
      if (position < bytes.length) bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
    }
  }

  /** As a process sees them, in order. */
  paths(): string[] {
    return [...this.names.keys()].toSorted();
  }

  /** Paths and copies of their contents as a process sees them, in path order. */
  contents(): [string, Buffer][] {
    const files = [...this.names].map(([path, inode]): [string, Buffer] => [
      path,
      Buffer.from(inode.current),
    ]);
    return files.toSorted(([left], [right]) => (left < right ? -1 : 1));
  }

  /** Replaces or makes a file, durable at once. */
  place(path: string, bytes: Buffer): void {
    this.directories.add(parentOf(path));
    const inode = this.newInode();
    inode.current = Buffer.from(bytes);
    inode.durable = Buffer.from(bytes);
    this.names.set(path, inode);
    this.durableNames.set(path, inode);
  }

  remove(path: string): void {
    this.names.delete(path);
    this.durableNames.delete(path);
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    return await this.enter('open', path, () => {
      const found = this.names.get(path);
      if (mode === 'create' && found !== undefined) throw errno('EEXIST', path);
      if (found !== undefined) return this.handle(path, found);
      if (mode === 'read' || !this.directories.has(parentOf(path))) throw errno('ENOENT', path);
      const inode = this.newInode();
      this.changeNames([parentOf(path)], (names) => names.set(path, inode));
      return this.handle(path, inode);
    });
  }

  async stat(path: string): Promise<FileStat> {
    await this.schedule();
    if (this.directories.has(path)) return this.statOf(undefined);
    return this.statOf(this.inodeOf(path));
  }

  async readFile(path: string): Promise<Buffer> {
    return await this.enter('read', path, () => {
      return Buffer.from(this.inodeOf(path).current);
    });
  }

  async list(path: string): Promise<DirectoryEntry[]> {
    await this.schedule();
    if (!this.directories.has(path)) throw errno('ENOENT', path);
    const inside = (name: string): boolean => name !== path && parentOf(name) === path;
    const files = [...this.names.keys()].filter(inside);
    const directories = [...this.directories].filter(inside);
    return [
      ...directories.map((name): DirectoryEntry => ({ name: baseName(name), kind: 'directory' })),
      ...files.map((name): DirectoryEntry => ({ name: baseName(name), kind: 'file' })),
    ];
  }

  async makeDirectory(path: string): Promise<void> {
    await this.schedule();
    for (let at = path; at !== '/'; at = parentOf(at)) this.directories.add(at);
  }

  async rename(from: string, to: string): Promise<void> {
    return await this.enter('rename', from, () => {
      const inode = this.inodeOf(from);
      this.changeNames([parentOf(from), parentOf(to)], (names) => {
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  async link(from: string, to: string): Promise<void> {
    await this.schedule();
    const inode = this.inodeOf(from);
    if (this.names.has(to)) throw errno('EEXIST', to);
    this.changeNames([parentOf(to)], (names) => names.set(to, inode));
  }

  async unlink(path: string): Promise<void> {
    return await this.enter('unlink', path, () => {
      this.inodeOf(path);
      this.changeNames([parentOf(path)], (names) => names.delete(path));
    });
  }

  async removeDirectory(path: string): Promise<void> {
    const inside = await this.list(path);
    if (inside.length > 0) throw errno('ENOTEMPTY', path);
    this.directories.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    return await this.enter('syncDirectory', path, () => {
      if (!this.directories.has(path)) throw errno('ENOENT', path);
      const last = this.pendingNames.findLastIndex(({ directories }) => directories.includes(path));
      const changes = this.pendingNames.splice(0, last + 1);
      for (const change of changes) change.apply(this.durableNames);
    });
  }

  watch(path: string, onEvent: () => void): () => void {
    const watchers = this.watchers.get(path) ?? new Set();
    this.watchers.set(path, watchers.add(onEvent));
    return () => {
      watchers.delete(onEvent);
    };
  }

  /** Waits for the schedule, then fails or takes effect in one step: no crash fits in between. */
  private async enter<T>(operation: Operation, path: string, effect: () => T): Promise<T> {
    const { life } = this;
    await this.schedule();
    if (life !== this.life) throw errno('EIO', `${operation} ${path}: the process is dead`);
    const code = this.fault(operation, path);
    if (code !== undefined) throw errno(code, `${operation} ${path}`);
    return effect();
  }

  private newInode(): Inode {
    this.nextIno += 1n;
    const empty = Buffer.alloc(0);
    return { ino: this.nextIno, current: empty, durable: empty, dirty: new Set() };
  }

  private inodeOf(path: string): Inode {
    const inode = this.names.get(path);
    if (inode === undefined) throw errno('ENOENT', path);
    return inode;
  }

  private changeNames(
    directories: readonly string[],
    apply: (names: Map<string, Inode>) => unknown,
  ): void {
    apply(this.names);
    this.pendingNames.push({ directories, apply });
    for (const path of directories) {
      for (const onEvent of this.watchers.get(path) ?? []) queueMicrotask(onEvent);
    }
  }

  private statOf(inode: Inode | undefined): FileStat {
    const common = { dev: 1n, ino: inode?.ino ?? 0n, modifiedMs: 0 };
    return inode === undefined
      ? { kind: 'directory', sizeBytes: 0, ...common }
      : { kind: 'file', sizeBytes: inode.current.length, ...common };
  }

  private handle(path: string, inode: Inode): DiskFile {
    const { life } = this;
    const enter = async <T>(operation: Operation, effect: () => T): Promise<T> => {
      await this.schedule();
      if (life !== this.life) throw errno('EIO', `${operation} ${path}: the process is dead`);
      const code = this.fault(operation, path);
      if (code === undefined) return effect();
      // A failed fsync marks pages clean that never reached the disk: reads still see them.
      if (operation === 'sync') inode.dirty.clear();
      throw errno(code, `${operation} ${path}`);
    };
    const sync = (): Promise<void> =>
      enter('sync', () => {
        this.syncs += 1;
        inode.durable = settled(inode, inode.dirty, inode.current.length);
        inode.dirty.clear();
      });
    return {
      path,
      read: (into, position) =>
        enter('read', () => {
          const bytes = inode.current.subarray(position, position + into.length);
          into.set(bytes);
          return bytes.length;
        }),
      write: (bytes, position) =>
        enter('write', () => {
          this.writes += 1;
          this.write(inode, bytes, position);
        }),
      truncate: (sizeBytes) =>
        enter('write', () => {
          inode.current = resized(inode.current, sizeBytes);
          inode.dirty.add(Math.floor(sizeBytes / SECTOR_BYTES));
        }),
      datasync: sync,
      sync,
      stat: async () => {
        await this.schedule();
        return this.statOf(inode);
      },
      close: () => this.schedule(),
    };
  }

  private write(inode: Inode, bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    const grownBytes = Math.max(0, end - inode.current.length);
    if (this.usedBytes() + grownBytes > this.capacityBytes) throw errno('ENOSPC', 'write');
    if (grownBytes > 0) inode.current = resized(inode.current, end);
    inode.current.set(bytes, position);
    const last = Math.floor((end - 1) / SECTOR_BYTES);
    for (let at = Math.floor(position / SECTOR_BYTES); at <= last; at += 1) inode.dirty.add(at);
  }

  private usedBytes(): number {
    let used = 0;
    for (const inode of new Set(this.names.values())) used += inode.current.length;
    return used;
  }
}

/** The platter after `sectors` of the page cache reached it. */
function settled(inode: Inode, sectors: Iterable<number>, sizeBytes: number): Buffer {
  const durable =
    inode.durable.length === sizeBytes ? inode.durable : resized(inode.durable, sizeBytes);
  for (const sector of sectors) {
    const start = sector * SECTOR_BYTES;
    inode.current.copy(durable, start, start, start + SECTOR_BYTES);
  }
  return durable;
}

function loseUnsynced(inode: Inode, draw: Draw): void {
  const share = draw();
  const kept = [...inode.dirty].filter(() => draw() < share);
  const size = draw() < 0.5 ? inode.current.length : inode.durable.length;
  inode.durable = settled(inode, kept, size);
  inode.current = Buffer.from(inode.durable);
  inode.dirty.clear();
}
