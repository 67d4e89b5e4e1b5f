// Members of one log over the fake etcd, with snapshots of texts in a store in memory.
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { LogtierError } from '../../src/base/errors.ts';
import type { ReaderDeps } from '../../src/metastore/log/etcd-log/committed-reader.ts';
import type { EtcdClient } from '../../src/metastore/log/etcd-log/etcd-client.ts';
import { openEtcdLog } from '../../src/metastore/log/etcd-log/etcd-log.ts';
import {
  etcdLogSettings,
  type EtcdLogSettings,
} from '../../src/metastore/log/etcd-log/settings.ts';
import type { SnapshotStore } from '../../src/metastore/log/etcd-log/snapshot-store.ts';
import type {
  LogIndex,
  ReplicatedLog,
  SnapshotProvider,
} from '../../src/metastore/log/replicated-log.ts';

export function etcdSettings(over: Readonly<Record<string, unknown>> = {}): EtcdLogSettings {
  return etcdLogSettings.parse({
    endpoints: ['http://127.0.0.1:2379'],
    firstRetryMs: '1ms',
    longestRetryMs: '20ms',
    ...over,
  });
}

export class MemorySnapshots implements SnapshotStore {
  readonly parts = new Map<string, Uint8Array>();
  /** Awaited before each put. */
  beforePut: () => Promise<void> = () => Promise.resolve();

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.beforePut();
    const kept = this.parts.get(name);
    if (kept !== undefined && Buffer.compare(kept, bytes) !== 0) {
      throw new LogtierError('OBJECT_EXISTS', name);
    }
    this.parts.set(name, Uint8Array.from(bytes));
  }

  async get(name: string): Promise<Uint8Array> {
    const bytes = this.parts.get(name);
    if (bytes === undefined) throw new LogtierError('OBJECT_NOT_FOUND', name);
    return Promise.resolve(bytes);
  }

  async *list(): AsyncGenerator<string, void, undefined> {
    await Promise.resolve();
    yield* this.parts.keys();
  }

  async delete(names: readonly string[]): Promise<void> {
    for (const name of names) this.parts.delete(name);
    await Promise.resolve();
  }

  /** Names without their part numbers. */
  get names(): string[] {
    return [
      ...new Set([...this.parts.keys()].map((name) => name.split('/').slice(0, -1).join('/'))),
    ];
  }
}

export interface MemberOptions {
  readonly client: EtcdClient;
  readonly snapshots?: SnapshotStore;
  readonly settings?: EtcdLogSettings;
  readonly memberId?: string;
  /** In its catalog. */
  readonly applied?: LogIndex;
  /** Identity of the log it has been in. */
  readonly known?: string;
  readonly remember?: (identity: string) => Promise<void>;
  readonly groupId?: string;
}

export function openMemberLog(options: MemberOptions): Promise<ReplicatedLog> {
  const deps: ReaderDeps = {
    client: options.client,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    snapshots: options.snapshots ?? new MemorySnapshots(),
  };
  return openEtcdLog(deps, options.settings ?? etcdSettings(), {
    groupId: options.groupId ?? 'group',
    memberId: options.memberId ?? 'm1',
    applied: options.applied ?? 0n,
    known: options.known,
    remember: options.remember ?? (() => Promise.resolve()),
  });
}

/** A state machine that is nothing but a text and the index it stands at. */
export function providerOf(at: () => { index: LogIndex; text: string }): SnapshotProvider {
  return {
    take: async () => {
      const { index, text } = at();
      await Promise.resolve();
      return {
        index,
        term: 1n,
        async *content(): AsyncGenerator<Uint8Array, void, undefined> {
          await Promise.resolve();
          yield new TextEncoder().encode(text);
        },
        close: () => Promise.resolve(),
      };
    },
  };
}

export async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
