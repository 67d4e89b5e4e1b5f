// Remote retention of one partition, in watch mode Logtier's alone (rules 2, 8): plan, ask again who leads, delete.
import { LogtierError, hasCode } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { PartitionState } from './partition-state.ts';
import { planRetention, type RetentionClocks, type RetentionMemory } from './remote-retention.ts';
import type { MetastoreClock, SegmentLedger, SegmentView } from './segment-ledger.ts';

export interface RetentionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly broker: BrokerView;
  readonly ledger: SegmentLedger;
  readonly view: SegmentView;
  readonly metastoreClock: MetastoreClock;
  readonly stores: ReadonlyMap<string, { readonly objects: ObjectStore }>;
}

/** Remembers between passes, by partition; a restart waits anew. */
export class RetentionPass {
  private readonly deps: RetentionDeps;
  private readonly graceMs: number;
  private readonly memory = new WeakMap<PartitionState, RetentionMemory>();

  constructor(deps: RetentionDeps, graceMs: number) {
    this.deps = deps;
    this.graceMs = graceMs;
  }

  /** Nothing happens without a claim and a retention that is configured. */
  async run(state: PartitionState, signal: AbortSignal): Promise<void> {
    const { claim, rule } = state;
    if (claim === undefined || rule === undefined) return;
    const limits = { timeMs: rule.retention.time, bytes: rule.retention.bytes };
    const snapshot = await this.deps.view.snapshot(claim.id, claim.revision, signal);
    const { plan, memory } = planRetention({
      snapshot,
      limits,
      clocks: await this.clocks(rule.store, signal),
      memory: this.memory.get(state),
      uptimeMs: this.deps.clock.uptimeMs(),
      graceMs: this.graceMs,
    });
    this.memory.set(state, memory);
    state.retract('RETENTION_HELD');
    if (plan.kind === 'nothing') return;
    if (plan.kind === 'held') {
      const text = `${plan.reason}: ${plan.segments} segments with ${plan.logBytes} bytes wait`;
      state.report({ code: 'RETENTION_HELD', text }, this.deps.clock.wallMs());
      return;
    }
    // The claim is the fence; a second broker may still know more than ours (rule 31).
    const { topic, partition } = state.directory;
    const elsewhere = await this.deps.broker.epochElsewhere(topic, partition, signal);
    if (elsewhere !== undefined && elsewhere > claim.leaderEpoch) return;
    await this.erase(state, plan, signal);
  }

  private async erase(
    state: PartitionState,
    plan: {
      readonly remoteStart: bigint;
      readonly segments: Parameters<SegmentLedger['deleteSegments']>[2];
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { claim } = state;
    if (claim === undefined) return;
    try {
      await this.deps.ledger.deleteSegments(claim, plan.remoteStart, plan.segments, signal);
    } catch (error) {
      if (hasCode(error, 'FENCED_LEADER_EPOCH', 'FENCED_INSTANCE')) state.dropClaim();
      throw error;
    }
    const segments = plan.segments.length;
    this.deps.logger.info(
      { partition: state.name, remoteStart: plan.remoteStart, segments },
      'retention ended remote segments',
    );
  }

  private async clocks(store: string, signal: AbortSignal): Promise<RetentionClocks> {
    const objects = this.deps.stores.get(store)?.objects;
    // Our own clock is no witness for the store's: without it nothing is deleted (rule 8).
    if (objects === undefined) {
      throw new LogtierError('STORE_REFUSED', `store '${store}' is not configured here`);
    }
    const metastore = await this.deps.metastoreClock.read(signal);
    const storeMs = await objects.wallClockMs(signal);
    const sidecarMs = this.deps.clock.wallMs();
    return {
      sidecarMs,
      metastoreMs: metastore.wallMs,
      metastoreHeld: metastore.held,
      storeMs,
    };
  }
}
