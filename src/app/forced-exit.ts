// A role that was told to stop and does not: a supervisor would kill it without a word on what held it.
import type { Logger } from '../platform/log.ts';

/** Below the patience of supervisors: systemd waits 90 s, Kubernetes 30 s, docker stop 10 s. */
const STOP_MS = 9_000;

export interface ForcedExitDeps {
  readonly logger: Logger;
  /** Calls back when the process is still there after so long; keeps nothing alive. */
  readonly whenOverdue: (ms: number, late: () => void) => () => void;
  /** Kinds of what keeps the process alive, such as `TCPSocketWrap`. */
  readonly resources: () => readonly string[];
  readonly exit: (code: number) => void;
}

export interface Ending {
  /** Every part of the role has stopped; what is left of the process is an open handle. */
  partsStopped(): void;
}

/** Exits, and logs what held the process, when it has not ended in time. Everything on disk is as after a crash. */
export function exitWhenOverdue(deps: ForcedExitDeps, code: number): Ending {
  let stopped = false;
  deps.whenOverdue(STOP_MS, () => {
    const heldBy = tally(deps.resources());
    const what = stopped ? 'something keeps the process alive' : 'a part does not stop';
    deps.logger.error({ waitedMs: STOP_MS, heldBy }, `${what}; the process exits now`);
    deps.exit(stopped ? code : Math.max(code, 1));
  });
  return {
    partsStopped: () => {
      stopped = true;
    },
  };
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
