// A follower that is too far behind gets the state machine as a snapshot, one follower at a time.
import { LogtierError } from '../../../base/errors.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Message } from '../../raft/messages.ts';
import type { SnapshotProvider } from '../replicated-log.ts';
import { encodeMembership } from './membership.ts';
import type { MembershipHistory } from './membership-history.ts';
import type { RaftTransport } from './transport.ts';

export interface SnapshotSenderDeps {
  readonly logger: Logger;
  readonly transport: RaftTransport;
  readonly history: MembershipHistory;
  readonly report: (nodeId: number, outcome: 'finished' | 'failed') => void;
}

export class SnapshotSender {
  provider: SnapshotProvider | undefined;
  private readonly deps: SnapshotSenderDeps;
  private readonly stopped = new AbortController();
  private sending: Promise<void> | undefined;

  constructor(deps: SnapshotSenderDeps) {
    this.deps = deps;
  }

  /** Tells its outcome later, never before it returns. */
  send(message: Message): void {
    const { provider, deps } = this;
    if (provider === undefined || this.sending !== undefined || this.stopped.signal.aborted) {
      // The core asks again with the next answer to a heartbeat.
      queueMicrotask(() => {
        deps.report(message.to, 'failed');
      });
      return;
    }
    this.sending = this.transfer(message, provider).finally(() => {
      this.sending = undefined;
    });
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopped.abort(new LogtierError('ABORTED', 'the member stops'));
    await this.sending;
  }

  private async transfer(message: Message, provider: SnapshotProvider): Promise<void> {
    const { logger, report } = this.deps;
    const { to } = message;
    try {
      const index = await this.transferNow(message, provider);
      logger.info({ to, index }, 'a snapshot was sent');
      report(to, 'finished');
    } catch (error) {
      logger.warn({ to, reason: String(error) }, 'a snapshot could not be sent');
      report(to, 'failed');
    }
  }

  /** The core asked for any snapshot at or above its own mark: a fresh one leaves the least log behind it. */
  private async transferNow(message: Message, provider: SnapshotProvider): Promise<bigint> {
    const { transport, history } = this.deps;
    const { signal } = this.stopped;
    const snapshot = await provider.take(signal);
    try {
      const { index, term } = snapshot;
      const membership = history.at(Number(index));
      if (membership === undefined || Number(index) < (message.snapshot?.index ?? 0)) {
        throw new LogtierError('NOT_READY', `a snapshot at ${index} is too old`);
      }
      const { confState } = membership;
      const data = encodeMembership(membership);
      const header = { index: Number(index), term: Number(term), confState, data };
      await transport.sendSnapshot({ ...message, snapshot: header }, snapshot, signal);
      return index;
    } finally {
      await snapshot.close();
    }
  }
}
