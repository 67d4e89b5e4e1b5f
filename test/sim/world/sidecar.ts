// A broker's sidecar: claims what it believes to lead, copies, deletes and reads, and goes on with old claims
// after others took over. What it reads is compared with the reference of that very revision.
import { hasCode, LogtierError } from '../../../src/base/errors.ts';
import { CommandChannel, type AnyOp } from '../../../src/metastore/client/command-channel.ts';
import type { CatalogTransport } from '../../../src/metastore/client/catalog-transport.ts';
import { diskViewHome } from '../../../src/metastore/client/disk-view-home.ts';
import { LocalView } from '../../../src/metastore/client/local-view.ts';
import { ownWritesView } from '../../../src/metastore/client/own-writes-view.ts';
import type { MetastoreClientSettings } from '../../../src/metastore/client/settings.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { compareTokens, type PartitionId, type Revision } from '../../../src/segment/ids.ts';
import type { PartitionSnapshot } from '../../../src/segment/segment-record.ts';
import { CLUSTER } from '../../support/metastore-catalog.ts';
import type { Histories } from './history.ts';
import { Commands, type Topics } from './commands.ts';
import { type Host, Process } from './process.ts';
import { keyOf, printPartition, printRecord, tokenText } from './reference-print.ts';
import { SimDoor, type DoorDeps } from './sim-door.ts';
import { SimEngine, SimStore } from './sim-engine.ts';

export const FRESH_MS = 3_000;

const SETTINGS: MetastoreClientSettings = {
  firstRetryMs: 20,
  longestRetryMs: 400,
  queuedCommands: 1_000,
  freshMs: FRESH_MS,
  completeMs: 2_000,
  loadsInFlight: 2,
};

export interface SidecarWorld extends Omit<DoorDeps, 'name' | 'process'> {
  readonly histories: Histories;
  readonly topics: Topics;
  violate(what: string): void;
}

interface SidecarLife {
  readonly process: Process;
  readonly transport: CatalogTransport;
  readonly channel: CommandChannel;
  readonly view: LocalView;
  readonly commands: Commands;
}

export class Sidecar {
  readonly brokerId: number;
  readonly host: Host;
  answers = 0;
  unknown = 0;
  refusals = 0;
  reads = 0;
  life: SidecarLife | undefined;
  /** Why its canary was not answered. */
  lastSong: unknown;
  /** How busy it is. */
  everyMs = 40;
  private readonly world: SidecarWorld;
  /** What of its view outlives it. */
  private readonly viewStore = new SimStore();
  private lives = 0;

  constructor(brokerId: number, host: Host, world: SidecarWorld) {
    this.brokerId = brokerId;
    this.host = host;
    this.world = world;
  }

  get name(): string {
    return `c${this.brokerId}`;
  }

  start(): void {
    this.lives += 1;
    const { brokerId, host, world } = this;
    const process = new Process(host);
    const transport = new SimDoor({ ...world, name: this.name, process });
    const { clock, random } = process;
    const deps = { transport, clock, random, logger: silentLogger };
    const instance = `life ${this.lives} of ${brokerId}`;
    const identity = { clusterId: CLUSTER, brokerId, instance };
    const channel = new CommandChannel(deps, SETTINGS, identity);
    const engine = new SimEngine(process, this.viewStore);
    const home = diskViewHome({ engine, logger: silentLogger }, CLUSTER);
    const view = new LocalView({ ...deps, home }, SETTINGS, CLUSTER);
    view.start();
    const commands = new Commands(brokerId, host.draw, world.topics);
    const life = { process, transport, channel, view, commands };
    this.life = life;
    this.later(life);
  }

  die(losesPower: boolean): void {
    this.life?.process.kill();
    this.life = undefined;
    if (losesPower) this.viewStore.losePower(this.host.draw);
  }

  /** After all faults: resolves when a command of it is answered and its view shows it. */
  async sing(): Promise<void> {
    const { life } = this;
    if (life === undefined) return;
    const { signal } = new AbortController();
    for (;;) {
      try {
        const op: AnyOp = { $case: 'acquireLease', value: { lease: 'canary', ttlMs: 10n } };
        const { revision } = await life.channel.submit([op], signal);
        for (const { name, id } of this.world.topics.partitions) {
          const snapshot = await life.view.snapshot(id, revision, signal);
          this.compare(snapshot);
          await life.view.find(name, id.partition, signal).catch((error: unknown) => {
            if (!hasCode(error, 'NOT_FOUND')) throw error;
          });
        }
        return;
      } catch (error) {
        this.lastSong = error;
        await life.process.wait(100);
      }
    }
  }

  private later(life: SidecarLife): void {
    life.process.after(this.host.draw() * 2 * this.everyMs, () => {
      this.act(life);
      this.later(life);
    });
  }

  private act(life: SidecarLife): void {
    const { draw } = this.host;
    const count = draw() < 0.2 ? 1 + Math.floor(draw() * 5) : 1;
    for (let each = 0; each < count; each += 1) {
      if (draw() < 0.25) void this.read(life);
      else void this.change(life);
    }
  }

  private async change(life: SidecarLife): Promise<void> {
    const command = life.commands.next(life.process.clock.wallMs());
    if (command === undefined) return;
    const patience = new AbortController();
    // Some callers give up early.
    if (this.host.draw() < 0.05) {
      life.process.after(this.host.draw() * 300, () => {
        patience.abort(new LogtierError('ABORTED', 'waits no longer'));
      });
    }
    try {
      const answer = await life.channel.submit(command.ops, patience.signal);
      this.answers += 1;
      this.world.histories.of(answer.revision).holds(answer.revision.index, command.ops);
      command.answered(answer);
    } catch (error) {
      this.failed(command.ops, error);
      command.refused(error);
    }
  }

  private failed(ops: readonly AnyOp[], error: unknown): void {
    if (!(error instanceof LogtierError))
      this.world.violate(`a command ends with ${String(error)}`);
    else if (error.code === 'OUTCOME_UNKNOWN') this.unknown += 1;
    else if (error.code === 'ABORTED') this.world.histories.neverSent(ops);
    else this.refusals += 1;
  }

  private async read(life: SidecarLife): Promise<void> {
    const { draw } = this.host;
    const { partitions } = this.world.topics;
    const { name, id } = partitions[Math.floor(draw() * partitions.length)]!;
    const dice = draw();
    try {
      if (dice < 0.3) await this.find(life, name, id);
      else if (dice < 0.45) await this.findNow(life, name, id);
      else if (dice < 0.55) await this.ask(life, id);
      else if (dice < 0.7) await this.ownWrites(life, id);
      else if (dice < 0.78) life.view.leave(id);
      else this.peek(life, id);
      this.reads += 1;
    } catch (error) {
      if (error instanceof LogtierError) return;
      this.world.violate(`a read ends with ${String(error)}`);
    }
  }

  /** At most as old as the view may be silent (rule 21), and never empty instead of not ready (rule 3). */
  private async find(life: SidecarLife, name: string, id: PartitionId): Promise<void> {
    const { signal } = new AbortController();
    const found = await life.view.find(name, id.partition, signal).catch((error: unknown) => {
      if (hasCode(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
    const { current } = this.world.histories;
    const { nowMs } = this.host.schedule;
    const oldest = current.newestAt(nowMs - FRESH_MS);
    if (found === undefined) {
      this.mayBeEmpty(id, oldest);
      return;
    }
    this.compare(found);
    this.mustReach(found.revision, oldest);
  }

  private async findNow(life: SidecarLife, name: string, id: PartitionId): Promise<void> {
    const { signal } = new AbortController();
    const { incarnation, current } = this.world.histories;
    const atLeast = current.newestAcknowledged;
    const found = await life.view
      .findLinearizable(name, id.partition, signal)
      .catch((error: unknown) => {
        if (hasCode(error, 'NOT_FOUND')) return undefined;
        throw error;
      });
    if (found !== undefined) this.compare(found);
    // What was acknowledged behind the backup is gone after a restore.
    if (this.world.histories.incarnation !== incarnation) return;
    if (found === undefined) this.mayBeEmpty(id, atLeast);
    else this.mustReach(found.revision, atLeast);
  }

  /** Of whichever member is asked, without the view. */
  private async ask({ transport }: SidecarLife, id: PartitionId): Promise<void> {
    const { incarnation, current } = this.world.histories;
    const atLeast = current.newestAcknowledged;
    const { signal } = new AbortController();
    const query = { $case: 'partition', value: { partition: { ...id } } } as const;
    const { revision, answer } = await transport.query({ clusterId: CLUSTER, query }, signal);
    if (revision === undefined || answer?.$case !== 'partition') throw new Error('no answer');
    if (revision.incarnation !== incarnation) return;
    // Who stood still meanwhile gets its answer from before a restore long after it.
    if (this.world.histories.incarnation === incarnation) this.mustReach(revision, atLeast);
    const told = answer.value.partition?.claim?.fenceToken;
    const expected = current.reference.partitionAt(keyOf(id), revision.index);
    const isIt =
      told === undefined ? expected === undefined : expected?.startsWith(tokenText(told));
    if (isIt !== true)
      this.world.violate(`${this.name} is told ${tokenText(told)}, not ${expected}`);
  }

  private async ownWrites(life: SidecarLife, id: PartitionId): Promise<void> {
    const { signal } = new AbortController();
    const { answeredRevision } = life.channel;
    const view = ownWritesView(life.view, life.channel);
    const atLeast = answeredRevision ?? { incarnation: 0, index: 0n };
    const found = await view.snapshot(id, atLeast, signal);
    this.compare(found);
    if (compareTokens(found.revision, atLeast) >= 0) return;
    this.world.violate(`${this.name} does not see its own write at ${tokenText(atLeast)}`);
  }

  private peek(life: SidecarLife, id: PartitionId): void {
    const found = life.view.peek(id);
    if (found !== undefined) this.compare(found);
  }

  /** Nobody had claimed it then, or its topic was deleted since. */
  private mayBeEmpty(id: PartitionId, oldest: bigint): void {
    const { reference } = this.world.histories.current;
    if (reference.deletedTopics.has(id.topicId)) return;
    if (reference.partitionAt(keyOf(id), oldest) === undefined) return;
    this.world.violate(
      `${this.name} finds nothing of ${keyOf(id)}, which was claimed by ${oldest}`,
    );
  }

  private mustReach(revision: Revision, oldest: bigint): void {
    const { histories } = this.world;
    const isOfNewest = revision.incarnation === histories.incarnation;
    const isOldAllowed = this.host.schedule.nowMs <= histories.begunMs + FRESH_MS;
    if (isOfNewest ? revision.index >= oldest : isOldAllowed) return;
    const silentMs = Math.round(this.life?.view.silentMs() ?? 0);
    const where = `${this.name} reads at ${tokenText(revision)}, before ${oldest}`;
    this.world.violate(`${where}; heard of ${silentMs} ms ago`);
  }

  private compare(found: PartitionSnapshot): void {
    const { histories } = this.world;
    const { reference } = histories.of(found.revision);
    const expected = reference.partitionAt(keyOf(found.id), found.revision.index);
    const { claim } = found;
    const told =
      claim &&
      printPartition({
        claim: { ...claim, epoch: claim.leaderEpoch, token: tokenText(claim.token) },
        remoteStart: found.remoteStart,
        segments: found.segments.map(printRecord),
      });
    if (told === expected) return;
    const where = `${this.name} sees of ${keyOf(found.id)} at ${tokenText(found.revision)}`;
    this.world.violate(`${where}: ${told}\ninstead of: ${expected}`);
  }
}
