// DataNodes that did not answer: a NameNode goes on sending clients to a dead one until it notices (10.5 min).
import { isIP } from 'node:net';
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';

const AVOIDED_MS = 60_000;
const MOST_AVOIDED = 8;

/** `excludedatanodes` takes IP addresses; a name with a port is silently ignored (seen on 3.5.0). */
export interface AvoidedNodes {
  /** Remembers the node behind a failed connection, where its IP address is known. */
  add(host: string, error: unknown): void;
  /** The query parameter's value; '' when all are welcome. */
  print(): string;
  clear(): void;
}

/** Node tells the address it could not connect to. */
function addressOf(host: string, error: unknown): string | undefined {
  const cause: unknown = error instanceof LogtierError ? error.cause : error;
  if (cause instanceof Error && 'address' in cause && typeof cause.address === 'string') {
    return cause.address;
  }
  return isIP(host) === 0 ? undefined : host;
}

export function avoidedNodes(clock: Clock): AvoidedNodes {
  const untilMs = new Map<string, number>();
  const dropOld = (): void => {
    const nowMs = clock.monotonicMs();
    for (const [address, endMs] of untilMs) if (endMs <= nowMs) untilMs.delete(address);
  };
  return {
    add: (host, error) => {
      dropOld();
      const address = addressOf(host, error);
      if (address === undefined || untilMs.size >= MOST_AVOIDED) return;
      untilMs.set(address, clock.monotonicMs() + AVOIDED_MS);
    },
    print: () => {
      dropOld();
      return [...untilMs.keys()].join(',');
    },
    clear: () => {
      untilMs.clear();
    },
  };
}
