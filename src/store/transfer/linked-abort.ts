import { setMaxListeners } from 'node:events';

export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Takes the listener off the parent; call when done. */
  unlink(): void;
}

/** A signal that fires with its parent or by itself. (AbortSignal.any keeps memory on long-lived parents in Node 20.) */
export function linkedAbort(parent: AbortSignal): LinkedAbort {
  const controller = new AbortController();
  const onParent = (): void => {
    controller.abort(parent.reason);
  };
  if (parent.aborted) onParent();
  else parent.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
    unlink: () => {
      parent.removeEventListener('abort', onParent);
    },
  };
}

/** One signal watches many calls at once, each with a listener that it takes off: no leak to warn of. */
export function allowManyListeners(signal: AbortSignal): void {
  setMaxListeners(0, signal);
}
