// The log file after the current one, written with zeros in the background: an append then changes
// data blocks only, and its fdatasync has no file size or extents to commit.
import { diskError, type Disk, type DiskFile, errnoOf } from '../../platform/disk.ts';

/** Zeros per write; small enough not to hold a worker thread for long. */
const STEP_BYTES = 2 ** 20;

/** Zeros per fdatasync, so that the appends' own never wait behind a whole file. */
const SYNC_BYTES = 8 * STEP_BYTES;

export class NextFile {
  readonly path: string;
  private readonly disk: Disk;
  private readonly sizeBytes: number;
  private preparing: Promise<DiskFile> | undefined;
  private isStopped = false;

  constructor(disk: Disk, path: string, sizeBytes: number) {
    this.disk = disk;
    this.path = path;
    this.sizeBytes = sizeBytes;
  }

  /** Begins in the background; a failure waits for `take`, which tries once more with a new file. */
  start(): void {
    if (this.isStopped || this.preparing !== undefined) return;
    this.preparing = this.prepare();
    this.preparing.catch(() => undefined);
  }

  /** A file of zeros, durable but for its name. */
  async take(): Promise<DiskFile> {
    this.start();
    const { preparing } = this;
    this.preparing = undefined;
    try {
      if (preparing !== undefined) return await preparing;
    } catch {
      // That file is gone: nothing of it is trusted. The space may be free by now.
    }
    try {
      return await this.prepare();
    } catch (error) {
      throw diskError(error, `preparing ${this.path}`);
    }
  }

  /** Idempotent. The file goes; the next start makes its own. */
  async stop(): Promise<void> {
    this.isStopped = true;
    const { preparing } = this;
    this.preparing = undefined;
    try {
      await (await preparing)?.close();
    } catch {
      // It failed, and is gone.
    }
    await this.remove();
  }

  private async prepare(): Promise<DiskFile> {
    await this.remove();
    const file = await this.disk.open(this.path, 'create');
    try {
      await this.fill(file);
      await file.sync();
      return file;
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.remove().catch(() => undefined);
      throw error;
    }
  }

  private async fill(file: DiskFile): Promise<void> {
    const zeros = Buffer.alloc(Math.min(STEP_BYTES, this.sizeBytes));
    for (let at = 0; at < this.sizeBytes && !this.isStopped; at += zeros.length) {
      await file.write(zeros.subarray(0, Math.min(zeros.length, this.sizeBytes - at)), at);
      if ((at + zeros.length) % SYNC_BYTES === 0) await file.datasync();
    }
  }

  private async remove(): Promise<void> {
    try {
      await this.disk.unlink(this.path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}
