// Which files the broker has, and when they change. Events are hints to look sooner; the look is the truth.
//
// One inotify watch a directory (dataplane: 10,000 directories in 0.1 s, 23 MiB). Events can be lost without a
// word (queue overflow), and a renamed directory keeps its watch: so every directory is listed again each
// scan interval, and a directory with another inode gets a new watch.
import { LogtierError, hasCode } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import type { Clock } from '../platform/clock.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import {
  findDirectories,
  listDirectory,
  LISTS_AT_ONCE,
  type FoundDirectory,
  type LocalDirectory,
} from './local-directory.ts';

export interface WatcherDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface WatcherSettings {
  readonly logDirs: readonly string[];
  readonly scanIntervalMs: number;
}

export interface WatcherFinding {
  readonly code: 'LOG_DIR_FAILED' | 'WATCH_LIMIT';
  readonly text: string;
  readonly sinceMs: number;
  readonly logDir?: string;
}

export interface WatcherEvents {
  /** New, or its files changed. */
  changed(directory: LocalDirectory): void;
  /** Deleted, moved to another log directory, or its log directory failed. */
  gone(directory: LocalDirectory, why: 'removed' | 'log directory failed'): void;
}

interface Watched {
  readonly directory: LocalDirectory;
  /** Undefined: the kernel granted no watch; tried again at each look. */
  readonly unwatch: (() => void) | undefined;
}

/** Events within this time lead to one look. */
const SETTLE_MS = 50;
/** Looks at directories without a watch, when the inotify limit is reached. */
const UNWATCHED_SCAN_MS = 5_000;

export class SegmentWatcher {
  private readonly deps: WatcherDeps;
  private readonly settings: WatcherSettings;
  private readonly events: WatcherEvents;
  private readonly watched = new Map<string, Watched>();
  private readonly rootWatches = new Map<string, () => void>();
  private readonly dirtyPaths = new Set<string>();
  private readonly dirtyRoots = new Set<string>();
  private readonly failures = new Map<string, WatcherFinding>();
  private readonly stopping = new AbortController();
  private wake: () => void = () => undefined;
  private watchLimit: WatcherFinding | undefined;
  private running: Promise<void> | undefined;

  constructor(deps: WatcherDeps, settings: WatcherSettings, events: WatcherEvents) {
    this.deps = deps;
    this.settings = settings;
    this.events = events;
  }

  /** Resolves after the first full look, so that what is missing afterwards is really not there. */
  async start(): Promise<void> {
    await this.scanAll();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new LogtierError('ABORTED', 'the watcher stops'));
    this.wake();
    await this.running;
    for (const { unwatch } of this.watched.values()) unwatch?.();
    for (const unwatch of this.rootWatches.values()) unwatch();
    this.watched.clear();
    this.rootWatches.clear();
  }

  findings(): readonly WatcherFinding[] {
    return [...this.failures.values(), ...(this.watchLimit === undefined ? [] : [this.watchLimit])];
  }

  /** Every log directory, by whether it could be listed last time. */
  isLogDirUp(logDir: string): boolean {
    return !this.failures.has(logDir);
  }

  private async run(): Promise<void> {
    let nextScanMs = this.deps.clock.monotonicMs() + this.scanIntervalMs();
    while (!this.stopping.signal.aborted) {
      await this.untilDirty(nextScanMs - this.deps.clock.monotonicMs());
      if (this.stopping.signal.aborted) return;
      if (this.deps.clock.monotonicMs() >= nextScanMs) {
        await this.scanAll();
        nextScanMs = this.deps.clock.monotonicMs() + this.scanIntervalMs();
      } else {
        await this.scanDirty();
      }
    }
  }

  private scanIntervalMs(): number {
    const { scanIntervalMs } = this.settings;
    return this.watchLimit === undefined
      ? scanIntervalMs
      : Math.min(scanIntervalMs, UNWATCHED_SCAN_MS);
  }

  /** Waits for an event, then until events settle; or for `waitMs`. */
  private async untilDirty(waitMs: number): Promise<void> {
    const settled = this.deps.clock.deadline(Math.max(waitMs, 0), this.stopping.signal);
    const event = new Promise<void>((resolve) => {
      this.wake = resolve;
      settled.signal.addEventListener('abort', () => {
        resolve();
      });
    });
    if (this.dirtyPaths.size + this.dirtyRoots.size === 0) await event;
    const timedOut = settled.signal.aborted;
    settled.clear();
    if (timedOut) return;
    await this.deps.clock.sleep(SETTLE_MS, this.stopping.signal).catch(() => undefined);
  }

  private async scanAll(): Promise<void> {
    this.dirtyPaths.clear();
    this.dirtyRoots.clear();
    this.watchLimit = undefined;
    for (const logDir of this.settings.logDirs) await this.scanRoot(logDir, true);
  }

  private async scanDirty(): Promise<void> {
    const roots = [...this.dirtyRoots];
    const paths = [...this.dirtyPaths];
    this.dirtyRoots.clear();
    this.dirtyPaths.clear();
    for (const logDir of roots) await this.scanRoot(logDir, false);
    await mapAtOnce(paths, LISTS_AT_ONCE, async (path) => {
      const known = this.watched.get(path)?.directory;
      if (known !== undefined) await this.look(known);
    });
  }

  /** `deep`: lists every directory again, not only the new ones. */
  private async scanRoot(logDir: string, deep: boolean): Promise<void> {
    try {
      this.watchRoot(logDir);
      const found = await findDirectories(this.deps.disk, logDir);
      this.failures.delete(logDir);
      const present = new Map(found.map((directory) => [directory.path, directory]));
      for (const { directory } of this.knownIn(logDir)) {
        if (present.get(directory.path)?.ino !== directory.ino) this.forget(directory, 'removed');
      }
      const todo = deep ? found : found.filter((directory) => !this.watched.has(directory.path));
      await mapAtOnce(todo, LISTS_AT_ONCE, (directory) => this.look(directory));
    } catch (error) {
      if (!hasCode(error, 'LOG_DIR_FAILED')) throw error;
      this.failRoot(logDir, error);
    }
  }

  private failRoot(logDir: string, error: LogtierError): void {
    if (!this.failures.has(logDir)) {
      const sinceMs = this.deps.clock.wallMs();
      this.failures.set(logDir, { code: 'LOG_DIR_FAILED', text: error.message, sinceMs, logDir });
      this.deps.logger.error({ logDir, hint: error.hint }, error.message);
    }
    this.rootWatches.get(logDir)?.();
    this.rootWatches.delete(logDir);
    for (const { directory } of this.knownIn(logDir))
      this.forget(directory, 'log directory failed');
  }

  private knownIn(logDir: string): Watched[] {
    return [...this.watched.values()].filter(({ directory }) => directory.logDir === logDir);
  }

  private forget(directory: LocalDirectory, why: 'removed' | 'log directory failed'): void {
    this.watched.get(directory.path)?.unwatch?.();
    this.watched.delete(directory.path);
    this.events.gone(directory, why);
  }

  private async look(found: FoundDirectory): Promise<void> {
    const known = this.watched.get(found.path);
    // The watch comes first: what changes after the list then makes an event.
    const unwatch = known?.unwatch ?? this.watchDirectory(found.path);
    const directory = await listDirectory(this.deps.disk, found);
    if (directory === undefined) {
      if (known === undefined) unwatch?.();
      else this.forget(known.directory, 'removed');
      return;
    }
    this.watched.set(found.path, { directory, unwatch });
    const unchanged =
      known !== undefined && sameNames(known.directory.fileNames, directory.fileNames);
    if (!unchanged) this.events.changed(directory);
  }

  private watchRoot(logDir: string): void {
    if (this.rootWatches.has(logDir)) return;
    const unwatch = this.watch(logDir, () => {
      this.dirtyRoots.add(logDir);
    });
    if (unwatch !== undefined) this.rootWatches.set(logDir, unwatch);
  }

  private watchDirectory(path: string): (() => void) | undefined {
    return this.watch(path, () => {
      this.dirtyPaths.add(path);
    });
  }

  private watch(path: string, mark: () => void): (() => void) | undefined {
    const onEvent = (): void => {
      mark();
      this.wake();
    };
    try {
      return this.deps.disk.watch(path, onEvent, onEvent);
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EMFILE')
        this.reachLimit(errnoOf(error));
      return undefined;
    }
  }

  private reachLimit(errno: string | undefined): void {
    if (this.watchLimit !== undefined) return;
    const text = `the kernel grants no more file watches (${errno}): directories without one are looked at every ${UNWATCHED_SCAN_MS / 1000} s; raise fs.inotify.max_user_watches`;
    this.watchLimit = { code: 'WATCH_LIMIT', text, sinceMs: this.deps.clock.wallMs() };
    this.deps.logger.warn({ watches: this.watched.size }, text);
  }
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}
