import { abortError, throwIfAborted } from '../platform/clock.ts';

/** Waits for `work` as long as `signal` allows. The work itself goes on; its failure is never unhandled. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const onAbort = (): void => {
      reject(abortError(signal));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const stopListening = (): void => {
      signal.removeEventListener('abort', onAbort);
    };
    work.then(resolve, reject).finally(stopListening).catch(reject);
  });
}
