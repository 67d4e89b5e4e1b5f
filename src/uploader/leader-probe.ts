import { LogtierError } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type { LeaderProbe } from './copy-segment.ts';

/** Answers that come and go while leadership moves (kafka: a new leader may answer 75 or 78 for a moment). */
const TRANSIENT = new Set([
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'LEADER_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
]);

/** The copy's question to the local broker (safety rule 16). */
export function leaderProbe(broker: BrokerView): LeaderProbe {
  return {
    lastStableOffset: async (topic, partition, leaderEpoch, signal) => {
      const [answer] = await broker.offsets(
        [{ topic, partition, leaderEpoch }],
        'latest',
        true,
        signal,
      );
      if (answer !== undefined && 'offset' in answer) return answer.offset;
      const refused = answer?.refused ?? 'no answer';
      const code = TRANSIENT.has(refused) ? 'BROKER_UNAVAILABLE' : 'NOT_LEADER_OR_FOLLOWER';
      throw new LogtierError(
        code,
        `the broker says ${refused} for ${topic}-${partition} at epoch ${leaderEpoch}`,
      );
    },
  };
}
