// A writer makes no store call for an attempt older than the late window (safety rule 24): who erases after
// that window knows that nobody writes any more.
import { LogtierError } from '../base/errors.ts';
import { throwIfAborted, type Clock } from '../platform/clock.ts';
import type { ByteSource, ObjectStore, PutObserver } from '../store/object-store.ts';

/** One attempt at one intent. Begins before the intent is sent, so that no eraser's window began earlier. */
export interface Attempt {
  /** Fires with DEADLINE_EXCEEDED when the window ends, or with the caller's signal. */
  readonly signal: AbortSignal;
  /** DEADLINE_EXCEEDED when too old, by a clock that counts the time the host was suspended. */
  requireYoung(): void;
  end(): void;
}

export function beginAttempt(clock: Clock, lateWindowMs: number, signal: AbortSignal): Attempt {
  const beganMs = clock.uptimeMs();
  const deadline = clock.deadline(lateWindowMs, signal);
  return {
    signal: deadline.signal,
    requireYoung: () => {
      throwIfAborted(deadline.signal);
      if (clock.uptimeMs() - beganMs < lateWindowMs) return;
      throw new LogtierError('DEADLINE_EXCEEDED', `the copy took longer than ${lateWindowMs} ms`, {
        hint: 'the late window bounds a copy: is the store or the line too slow for this segment?',
      });
    },
    end: () => {
      deadline.clear();
    },
  };
}

/** The store as one attempt may use it: each call, and each piece of a put, asks for the attempt's age first. */
export function withinWindow(
  store: ObjectStore,
  attempt: Attempt,
): Pick<ObjectStore, 'put' | 'get'> {
  return {
    put: (key, body, observer, signal) => {
      attempt.requireYoung();
      return store.put(key, youngSource(body, attempt), youngObserver(observer, attempt), signal);
    },
    get: (key, range, signal) => {
      attempt.requireYoung();
      return store.get(key, range, signal);
    },
  };
}

function youngSource(body: ByteSource, attempt: Attempt): ByteSource {
  return {
    sizeBytes: body.sizeBytes,
    crc32: (range) => body.crc32(range),
    read: async function* read(range, signal) {
      for await (const bytes of body.read(range, signal)) {
        attempt.requireYoung();
        yield bytes;
      }
    },
  };
}

function youngObserver(observer: PutObserver, attempt: Attempt): PutObserver {
  return {
    uploadStarted: async (uploadId) => {
      attempt.requireYoung();
      await observer.uploadStarted(uploadId);
      attempt.requireYoung();
    },
  };
}
