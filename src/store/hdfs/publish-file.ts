// One put into HDFS, top to bottom: temporary file, length, live replicas, rename onto a free name.
import { LogtierError, hasCode } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { ByteSource } from '../object-store.ts';
import { statusIfThere } from './list-tree.ts';
import type { WebhdfsClient } from './webhdfs-client.ts';
import type { FileStatus } from './webhdfs-answers.ts';
import { isUnanswered } from './webhdfs-errors.ts';

export interface PublishDeps {
  readonly clock: Clock;
  readonly client: WebhdfsClient;
}

export interface ReplicaSettings {
  readonly minReplicas: number;
  readonly replicaWaitMs: number;
}

const REPLICA_POLL_MS = 250;

/** The first may miss the parent, and a delete may remove it, still empty, before the next. */
const RENAME_TRIES = 8;

/** Waits until every block of `path` has `minReplicas`: a CREATE is answered when one has it. */
export async function requireReplicas(
  deps: PublishDeps,
  settings: ReplicaSettings,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { minReplicas, replicaWaitMs } = settings;
  const endMs = deps.clock.monotonicMs() + replicaWaitMs;
  for (;;) {
    const fewest = await deps.client.fewestReplicas(path, signal);
    if (fewest === undefined || fewest >= minReplicas) return;
    if (deps.clock.monotonicMs() >= endMs) {
      throw new LogtierError(
        'STORE_UNAVAILABLE',
        `${path}: a block has ${fewest} of ${minReplicas} live replicas after ${replicaWaitMs} ms`,
        { hint: 'start more DataNodes, or lower minReplicas and accept the risk' },
      );
    }
    await deps.clock.sleep(Math.min(REPLICA_POLL_MS, replicaWaitMs), signal);
  }
}

/** Writes all of `body` to the new file `temporary`; resolves when HDFS holds it with enough replicas. */
export async function writeTemporary(
  deps: PublishDeps,
  settings: ReplicaSettings,
  input: { readonly temporary: string; readonly body: ByteSource },
  signal: AbortSignal,
): Promise<FileStatus> {
  const { temporary, body } = input;
  try {
    await deps.client.create(temporary, body, signal);
    const status = await deps.client.status(temporary, signal);
    if (status.sizeBytes !== body.sizeBytes) {
      const lengths = `${status.sizeBytes} of ${body.sizeBytes} bytes`;
      throw new LogtierError('STORE_UNAVAILABLE', `${temporary}: only ${lengths} arrived`);
    }
    await requireReplicas(deps, settings, temporary, signal);
    return status;
  } catch (error) {
    throw hasCode(error, 'OBJECT_NOT_FOUND') ? abandoned(error) : error;
  }
}

function abandoned(cause: unknown): LogtierError {
  return new LogtierError('STORE_REFUSED', 'the upload was abandoned while it ran', { cause });
}

interface Move {
  readonly temporary: string;
  readonly file: string;
}

/**
 * After a rename that was not answered, or found something missing: is it done, to be repeated, or lost?
 * Only we know the temporary name, so when it is gone and the file is there, the rename was carried out
 * (or another put won and ours was abandoned: the caller compares contents either way).
 */
async function outcomeOf(
  deps: PublishDeps,
  move: Move,
  error: unknown,
  signal: AbortSignal,
): Promise<'taken' | 'repeat'> {
  if ((await statusIfThere(deps.client, move.temporary, signal)) !== undefined) return 'repeat';
  const file = await statusIfThere(deps.client, move.file, signal);
  if (file === undefined) throw abandoned(error);
  return 'taken';
}

async function renameOnce(
  deps: PublishDeps,
  move: Move,
  signal: AbortSignal,
): Promise<'new' | 'taken' | 'repeat'> {
  try {
    await deps.client.rename(move.temporary, move.file, signal);
    return 'new';
  } catch (error) {
    if (hasCode(error, 'OBJECT_EXISTS')) return 'taken';
    if (!hasCode(error, 'OBJECT_NOT_FOUND') && !isUnanswered(error)) throw error;
    return outcomeOf(deps, move, error, signal);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** Gives `temporary` its final name, never replacing: the instant in which readers see it. */
export async function publish(
  deps: PublishDeps,
  move: Move,
  signal: AbortSignal,
): Promise<'new' | 'taken'> {
  for (let attempt = 0; attempt < RENAME_TRIES; attempt += 1) {
    // Most objects go where others are: parents are made when they are missed.
    if (attempt > 0) await deps.client.makeDirectories(parentOf(move.file), signal);
    const outcome = await renameOnce(deps, move, signal);
    if (outcome !== 'repeat') return outcome;
  }
  throw new LogtierError('STORE_UNAVAILABLE', `${move.file}: no rename came through`);
}
