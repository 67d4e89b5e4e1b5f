// What the catalog must answer: the same commands over plain maps, written anew from docs/metastore.md.
// It keeps no lineage and no index tables; it keeps every fence, session, state, and the delete queue.
import { Command } from '../../../src/gen/logtier/v1/catalog_command.ts';
import { printPartition, printSegment } from './reference-print.ts';
import {
  type AnyOp,
  isSegmentOp,
  Refused,
  type RefSession,
  RefRows,
  type ValueOf,
} from './reference-rows.ts';

export interface RefResult {
  readonly seq: bigint;
  /** What each operation answered: its case, or its refusal's code. */
  readonly answers: readonly string[];
}

const WINDOW = 1024n;

export class Reference extends RefRows {
  feedFrom = 0n;
  applied = 0n;
  readonly sessions = new Map<bigint, RefSession>();
  readonly results = new Map<bigint, RefResult>();
  /** Of each revision that changed something, what it tells, sorted. */
  readonly events: { readonly index: bigint; readonly told: string }[] = [];
  private readonly versions = new Map<
    string,
    { readonly index: bigint; readonly digest: string }[]
  >();
  private readonly instances = new Map<number, { instance: string; age: bigint }[]>();

  /** A new group over what this one holds: sessions and history go. */
  restored(): Reference {
    const next = new Reference(this.incarnation + 1);
    next.clockMs = this.clockMs;
    next.applied = 1n;
    next.feedFrom = 1n;
    next.erase = new Map(this.erase);
    next.deletedTopics = new Set(this.deletedTopics);
    for (const [key, partition] of this.partitions) {
      const ageless = { ...partition, claim: { ...partition.claim, age: 0n } };
      next.partitions.set(key, ageless);
      next.versions.set(key, [{ index: 1n, digest: next.digestOf(key) }]);
    }
    return next;
  }

  apply(index: bigint, bytes: Uint8Array): void {
    this.applied = index;
    if (bytes.length === 0) return;
    const command = Command.decode(bytes);
    this.advanceClock(command.nowMs);
    const result = this.run(index, command);
    if (result !== undefined) this.results.set(index, result);
  }

  /** As of revision `index`; undefined while nobody had claimed it. */
  partitionAt(key: string, index: bigint): string | undefined {
    return this.versions.get(key)?.findLast((version) => version.index <= index)?.digest;
  }

  digestOf(key: string): string {
    const partition = this.partitions.get(key);
    if (partition === undefined) return 'nobody';
    const { claim, remoteStart, topicId } = partition;
    const isDeleted = this.deletedTopics.has(topicId);
    const segments = [...partition.segments.values()].map(printSegment);
    return printPartition({ claim, remoteStart: isDeleted ? 0n : remoteStart, segments });
  }

  private run(index: bigint, command: Command): RefResult | undefined {
    const { clientId, seq, ops } = command;
    const all = (code: string): RefResult => ({ seq, answers: ops.map(() => code) });
    if (clientId === 0n) return this.runOps(index, command, undefined);
    if (command.incarnation !== this.incarnation) return all('SESSION_EXPIRED');
    const session = this.sessions.get(clientId);
    if (session === undefined || seq > session.highest + 1n) return all('SESSION_EXPIRED');
    if (seq <= session.highest) {
      // Answered as before, under the revision of then.
      return seq < session.keptFrom ? all('SESSION_EXPIRED') : undefined;
    }
    const result = this.runOps(index, command, session);
    session.highest = seq;
    const windowStart = seq - WINDOW + 1n;
    const wanted = command.answeredBelow > windowStart ? command.answeredBelow : windowStart;
    const bounded = wanted > seq ? seq : wanted;
    if (bounded > session.keptFrom) session.keptFrom = bounded;
    return result;
  }

  private runOps(index: bigint, command: Command, session: RefSession | undefined): RefResult {
    const saved = {
      partitions: new Map(this.partitions),
      erase: new Map(this.erase),
      deletedTopics: new Set(this.deletedTopics),
      clock: { ms: this.clockMs, isHeld: this.isHeld },
    };
    this.touched = new Map();
    this.changed = new Set();
    const answers: string[] = [];
    try {
      for (const { op } of command.ops) {
        answers.push(op === undefined ? 'nothing' : this.runOp(index, op, { command, session }));
      }
      this.keepVersions(index);
      return { seq: command.seq, answers };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.partitions = saved.partitions;
      this.erase = saved.erase;
      this.deletedTopics = saved.deletedTopics;
      this.clockMs = saved.clock.ms;
      this.isHeld = saved.clock.isHeld;
      const at = answers.length;
      const said = command.ops.map((_, op) => (op === at ? error.message : 'ABORTED'));
      return { seq: command.seq, answers: said };
    }
  }

  private keepVersions(index: bigint): void {
    if (this.touched.size === 0) return;
    this.events.push({ index, told: [...this.touched.values()].toSorted().join(' ') });
    for (const key of this.changed) {
      const digest = this.digestOf(key);
      const known = this.versions.get(key) ?? [];
      if (known.at(-1)?.digest !== digest) known.push({ index, digest });
      this.versions.set(key, known);
    }
  }

  private runOp(
    index: bigint,
    op: AnyOp,
    by: { readonly command: Command; readonly session: RefSession | undefined },
  ): string {
    switch (op.$case) {
      case 'registerClient':
        return this.register(index, op.value);
      case 'trimFeed':
        return this.trimFeed(op.value.below?.index ?? 0n);
      case 'claimPartition':
        return this.claim(index, op.value, by.session);
      case 'confirmClock':
        return this.confirmClock(op.value.nowMs, by.command.nowMs);
      case 'acquireLease':
        return 'lease';
      case 'resetClaim':
        return this.resetClaim(index, op.value.topicId);
      case 'deleteTopic':
        return this.deleteTopic(op.value.topicId);
      case 'tick':
      case 'checkHash':
        return 'done';
      default:
        return this.runHeldOp(index, op, by.session);
    }
  }

  private trimFeed(below: bigint): string {
    if (below > this.feedFrom) this.feedFrom = below;
    return 'done';
  }

  private runHeldOp(index: bigint, op: AnyOp, session: RefSession | undefined): string {
    switch (op.$case) {
      case 'objectErased':
      case 'recordErasePass':
        return this.erasing(op);
      case 'releaseClaim':
        return this.releaseClaim(index, op.value, session);
      case 'forgetCopies':
        this.hold(op.value, session);
        return 'done';
      case 'moveRemoteStart':
        return this.moveRemoteStart(op.value, session);
      case 'startCopy':
        return this.startCopy(op.value, session);
      default:
        if (isSegmentOp(op)) return this.changeSegment(op, session);
        throw new Error(`the simulator sends no ${op.$case}`);
    }
  }

  private register(index: bigint, { brokerId, instance }: ValueOf<'registerClient'>): string {
    const known = this.instances.get(brokerId) ?? [];
    const again = known.find((each) => each.instance === instance);
    const age = brokerId < 0 || again === undefined ? index : again.age;
    if (again === undefined) this.instances.set(brokerId, [...known, { instance, age }].slice(-16));
    this.sessions.set(index, { brokerId, age, highest: 0n, keptFrom: 1n });
    return 'clientRegistered';
  }
}
