// What operators ask of the metastore. The caller audits.
import type { FenceToken, PartitionId, TopicId } from '../../segment/ids.ts';
import type { CommandChannel } from './command-channel.ts';

export class OperatorCommands {
  private readonly channel: CommandChannel;

  constructor(channel: CommandChannel) {
    this.channel = channel;
  }

  /** `nowMs` must agree with the metastore's own clock within an hour (rule 8). */
  async confirmClock(nowMs: number, confirmedBy: string, signal: AbortSignal): Promise<void> {
    const value = { nowMs: BigInt(nowMs), confirmedBy };
    await this.channel.submit([{ $case: 'confirmClock', value }], signal);
  }

  /** `token` is the claim's current one: a claim that changed meanwhile stays (rule 26). */
  async releaseClaim(id: PartitionId, token: FenceToken, signal: AbortSignal): Promise<void> {
    const value = { partition: { ...id }, fenceToken: token };
    await this.channel.submit([{ $case: 'releaseClaim', value }], signal);
  }

  /** For epochs that went back with a rebuilt controller (rule 32). */
  async resetClaim(topicId: TopicId, operator: string, signal: AbortSignal): Promise<void> {
    await this.channel.submit([{ $case: 'resetClaim', value: { topicId, operator } }], signal);
  }

  /** Erases all remote data of the topic; `evidence` says why that is certain (rule 5). */
  async deleteTopic(topicId: TopicId, evidence: string, signal: AbortSignal): Promise<void> {
    await this.channel.submit([{ $case: 'deleteTopic', value: { topicId, evidence } }], signal);
  }
}
