// What the local broker believes of its partitions. A belief schedules work; only a claim gives the right to it.
import { hasCode } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type { TopicConfig } from '../broker/topic-config.ts';
import type { Clock } from '../platform/clock.ts';

export interface Belief {
  readonly topicId: string;
  readonly internal: boolean;
  readonly leaderEpoch: number;
  readonly isLeader: boolean;
  /** Undefined while the broker has not told it. */
  readonly config: TopicConfig | undefined;
}

/** Topic settings change rarely and cost one request for 200 topics. */
const CONFIGS_EVERY_MS = 60_000;
/** For topics that the broker does not describe: too new, or not ours to know. */
const MISSING_EVERY_MS = 5_000;

export class Leadership {
  private readonly deps: { readonly broker: BrokerView; readonly clock: Clock };
  private beliefs: ReadonlyMap<string, Belief> = new Map();
  private configs: ReadonlyMap<string, TopicConfig> = new Map();
  private configsAtMs = -Infinity;
  /** A topic that the broker refuses to describe is asked again with the others, not at each round. */
  private askedTopics: ReadonlySet<string> = new Set();
  private unlisted: ReadonlySet<string> = new Set();
  private failure: { readonly text: string; readonly sinceMs: number } | undefined;

  constructor(deps: { readonly broker: BrokerView; readonly clock: Clock }) {
    this.deps = deps;
  }

  /** Undefined while the broker answers; else since when it does not, in words. */
  unreachable(): { readonly text: string; readonly sinceMs: number } | undefined {
    return this.failure;
  }

  belief(topic: string, partition: number): Belief | undefined {
    return this.beliefs.get(`${topic}:${partition}`);
  }

  /** The broker was asked for the topic by name and did not tell it, which is no proof that it is gone (rule 5). */
  isUnlisted(topic: string): boolean {
    return this.unlisted.has(topic);
  }

  config(topic: string): TopicConfig | undefined {
    return this.configs.get(topic);
  }

  /** Asks the broker. A failure keeps what was believed and is remembered; it is not thrown. */
  async refresh(topics: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      await this.refreshConfigs(topics, signal);
      const { topics: told } = await this.deps.broker.metadata(topics, signal);
      const beliefs = new Map<string, Belief>();
      for (const topic of told) {
        for (const { partition, leaderId, leaderEpoch } of topic.partitions) {
          beliefs.set(`${topic.name}:${partition}`, {
            topicId: topic.topicId,
            internal: topic.internal,
            leaderEpoch,
            isLeader: leaderId === this.deps.broker.brokerId,
            config: this.configs.get(topic.name),
          });
        }
      }
      this.beliefs = beliefs;
      const names = new Set(told.map(({ name }) => name));
      this.unlisted = new Set(topics.filter((topic) => !names.has(topic)));
      this.failure = undefined;
    } catch (error) {
      if (!hasCode(error, 'BROKER_UNAVAILABLE', 'BROKER_DENIED', 'WRONG_CLUSTER')) throw error;
      this.failure ??= { text: error.message, sinceMs: this.deps.clock.wallMs() };
    }
  }

  private async refreshConfigs(topics: readonly string[], signal: AbortSignal): Promise<void> {
    const nowMs = this.deps.clock.monotonicMs();
    const isComplete = topics.every((topic) => this.configs.has(topic));
    const everyMs = isComplete ? CONFIGS_EVERY_MS : MISSING_EVERY_MS;
    const isAsked = topics.every((topic) => this.askedTopics.has(topic));
    if (isAsked && nowMs - this.configsAtMs < everyMs) return;
    this.configs = await this.deps.broker.topicConfigs(topics, signal);
    this.configsAtMs = nowMs;
    this.askedTopics = new Set(topics);
  }
}
