// A snapshot on its way in: chunk by chunk into a file beside the log, resumed after a broken stream.
// One at a time; what a crash leaves behind is written over by the next.
import { assert } from '../../../base/assert.ts';
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError } from '../../../base/errors.ts';
import type { SnapshotChunk } from '../../../gen/logtier/v1/raft.ts';
import { throwIfAborted } from '../../../platform/clock.ts';
import { diskError, type Disk, type DiskFile } from '../../../platform/disk.ts';
import type { SnapshotContent } from './transport.ts';

const CHUNK_BYTES = 2 ** 20;

interface Incoming {
  readonly transferId: string;
  readonly path: string;
  readonly file: DiskFile;
  bytes: number;
}

export class IncomingSnapshots {
  private readonly disk: Disk;
  private readonly directory: string;
  private current: Incoming | undefined;
  private count = 0;
  private isStopped = false;
  private last: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, directory: string) {
    this.disk = disk;
    this.directory = directory;
  }

  /** How much of this transfer is here already; any other one ends. */
  begin(transferId: Uint8Array): Promise<number> {
    return this.inTurn(() => this.beginNow(transferId));
  }

  /** The whole content with the last chunk, undefined before. CORRUPT_STATE when a chunk does not fit. */
  take(chunk: SnapshotChunk): Promise<SnapshotContent | undefined> {
    return this.inTurn(() => this.takeNow(chunk));
  }

  /** What is half here is begun anew in another life. Nothing begins afterwards. */
  stop(): Promise<void> {
    this.isStopped = true;
    return this.inTurn(async () => {
      await this.current?.file.close();
      this.current = undefined;
    });
  }

  /** A stream that broke may still be at work when the next one goes on in its place. */
  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.last.then(act);
    this.last = done.catch(() => undefined);
    return done;
  }

  private async beginNow(transferId: Uint8Array): Promise<number> {
    if (this.isStopped) throw new LogtierError('ABORTED', 'this metastore member stops');
    const id = Buffer.from(transferId).toString('hex');
    if (this.current?.transferId === id) return this.current.bytes;
    await this.current?.file.close();
    this.current = undefined;
    // Two names: the last one may still be read by who installs it.
    this.count += 1;
    const path = `${this.directory}/incoming-${this.count % 2}.snapshot`;
    try {
      const file = await this.disk.open(path, 'write');
      await file.truncate(0);
      this.current = { transferId: id, path, file, bytes: 0 };
      return 0;
    } catch (error) {
      throw diskError(error, `opening ${path}`);
    }
  }

  private async takeNow({
    offset,
    content,
    crc,
    isLast,
  }: SnapshotChunk): Promise<SnapshotContent | undefined> {
    const { current } = this;
    const isSound = content.length <= CHUNK_BYTES && crc32(content) === crc;
    if (current === undefined || offset !== BigInt(current.bytes) || !isSound) {
      throw new LogtierError('CORRUPT_STATE', `the snapshot's chunk at ${offset} does not fit`);
    }
    try {
      await current.file.write(content, current.bytes);
      current.bytes += content.length;
      if (!isLast) return undefined;
      this.current = undefined;
      return this.contentOf(current);
    } catch (error) {
      throw diskError(error, `writing ${current.path}`);
    }
  }

  private contentOf({ file, path, bytes }: Incoming): SnapshotContent {
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await file.close();
      await this.disk.unlink(path).catch(() => undefined);
    };
    return {
      content: (signal) => read(file, bytes, signal),
      close: () => (closing ??= close()),
    };
  }
}

async function* read(
  file: DiskFile,
  bytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    throwIfAborted(signal);
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, bytes - at));
    const got = await file.read(chunk, at);
    assert(got === chunk.length, 'a received snapshot is whole');
    yield chunk;
  }
}
