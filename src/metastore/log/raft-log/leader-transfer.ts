// Hands the leadership to another voter; the core gives up by itself after an election timeout.
import { LogtierError } from '../../../base/errors.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';
import type { RawNode } from '../../raft/raw-node.ts';

interface Running {
  settle(outcome: number | LogtierError): void;
}

const NOTHING = { match: 0, isRecentlyActive: false };

export class LeaderTransfer {
  private readonly core: RawNode;
  private running: Running | undefined;

  constructor(core: RawNode) {
    this.core = core;
  }

  /** Of a leader. Resolves with who leads then. INVALID_ARGUMENT, OVERLOADED, NOT_READY. */
  begin(to: number | undefined, signal: AbortSignal): Promise<number> {
    const { id } = this.core.basicStatus();
    if (to === id) return Promise.resolve(id);
    if (this.running !== undefined) {
      throw new LogtierError('OVERLOADED', 'the leadership is being handed over already');
    }
    this.core.transferLeader(this.choose(to));
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        this.running = undefined;
        reject(abortError(signal));
      });
      const settle = (outcome: number | LogtierError): void => {
        forget();
        this.running = undefined;
        if (typeof outcome === 'number') resolve(outcome);
        else reject(outcome);
      };
      this.running = { settle };
    });
  }

  /** After each turn of the log. */
  settle(): void {
    if (this.running === undefined) return;
    const { id, lead, role, transferee } = this.core.basicStatus();
    if (lead !== 0 && lead !== id) this.running.settle(lead);
    else if (role === 'leader' && transferee === 0) {
      const what = 'the other member did not take over in time: this one leads on';
      this.running.settle(new LogtierError('NOT_READY', what));
    }
  }

  lose(cause: LogtierError): void {
    this.running?.settle(cause);
  }

  private choose(to: number | undefined): number {
    const { id, config, progress } = this.core.status();
    const others = config.voters.filter((voter) => voter !== id);
    if (to !== undefined) {
      if (others.includes(to)) return to;
      throw new LogtierError('INVALID_ARGUMENT', `member ${to} is not one that votes`);
    }
    const rank = (voter: number): number => {
      const { match, isRecentlyActive } = progress.get(voter) ?? NOTHING;
      return isRecentlyActive ? match : match - Number.MAX_SAFE_INTEGER;
    };
    const [best] = others.toSorted((left, right) => rank(right) - rank(left));
    if (best !== undefined) return best;
    throw new LogtierError('INVALID_ARGUMENT', 'no other member votes');
  }
}
