/** Calls `late` when the process is still there after `ms`: waiting for it never keeps the process alive. */
export function whenOverdue(ms: number, late: () => void): () => void {
  const timer = setTimeout(late, ms);
  timer.unref();
  return () => {
    clearTimeout(timer);
  };
}
