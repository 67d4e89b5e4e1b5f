// Thousands of proposals wait under one signal: Node warns from the 11th listener on and removes each
// in linear time, so that one listener serves all.
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `react` once when `signal` fires, until the returned function is called. */
export function onAbort(signal: AbortSignal, react: () => void): () => void {
  const reactions = waiting.get(signal) ?? listenTo(signal);
  reactions.add(react);
  return () => {
    reactions.delete(react);
  };
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const reactions = new Set<() => void>();
  const runAll = (): void => {
    for (const react of reactions) react();
    reactions.clear();
  };
  signal.addEventListener('abort', runAll, { once: true });
  waiting.set(signal, reactions);
  return reactions;
}
