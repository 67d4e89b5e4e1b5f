// The network between the members of a group: loses, doubles, delays and reorders messages, cuts links one
// way or both, and breaks snapshots off in the middle. Refuses whom the real transport refuses.
import { crc32 } from '../../../src/base/checksum.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import { IncomingSnapshots } from '../../../src/metastore/log/raft-log/incoming-snapshots.ts';
import type { Founders } from '../../../src/metastore/log/raft-log/founders.ts';
import {
  type Introduction,
  requireDirectory,
} from '../../../src/metastore/log/raft-log/meet-voters.ts';
import {
  type Membership,
  type Peer,
  peersOf,
} from '../../../src/metastore/log/raft-log/membership.ts';
import type { PeerEvents, RaftTransport } from '../../../src/metastore/log/raft-log/transport.ts';
import type { Snapshot } from '../../../src/metastore/log/replicated-log.ts';
import type { Message } from '../../../src/metastore/raft/messages.ts';
import type { Disk } from '../../../src/platform/disk.ts';
import type { Draw } from '../../support/memory-disk.ts';
import type { Process } from './process.ts';
import type { Schedule } from './schedule.ts';

const CHUNK_BYTES = 8 * 1024;

/** What the links are like; a simulator changes it while it runs. */
export interface Weather {
  lossShare: number;
  doubleShare: number;
  slowShare: number;
  /** Of a snapshot's chunks: the transfer breaks there. */
  breakShare: number;
  latencyMs: number;
}

export const CALM: Readonly<Weather> = {
  lossShare: 0,
  doubleShare: 0,
  slowShare: 0,
  breakShare: 0,
  latencyMs: 2,
};

export interface Seat {
  readonly process: Process;
  readonly disk: Disk;
  readonly groupId: string;
  readonly nodeId: number;
  readonly directory: string;
  readonly directoryId: string;
  readonly voters: readonly Peer[];
  readonly founders: Founders;
}

interface Plugged extends Seat {
  readonly incoming: IncomingSnapshots;
  events: PeerEvents | undefined;
  membership: Membership | undefined;
}

export class SimNetwork {
  weather: Weather = { ...CALM };
  /** `from>to`; clients are `c<number>`. */
  blocked: ReadonlySet<string> = new Set();
  snapshotsCarried = 0;
  /** What a member throws at a message. */
  thrown: (nodeId: number, error: unknown) => void = () => undefined;
  private readonly schedule: Schedule;
  private readonly draw: Draw;
  private readonly plugged = new Map<number, Plugged>();

  constructor(schedule: Schedule, draw: Draw) {
    this.schedule = schedule;
    this.draw = draw;
  }

  latencyMs(): number {
    const { slowShare, latencyMs } = this.weather;
    return this.draw() < slowShare ? this.draw() * 400 : (0.2 + this.draw()) * latencyMs;
  }

  isLost(from: number | string, to: number | string): boolean {
    return this.blocked.has(`${from}>${to}`) || this.draw() < this.weather.lossShare;
  }

  transportOf(seat: Seat): RaftTransport {
    const { nodeId, process, disk, directory } = seat;
    const incoming = new IncomingSnapshots(disk, directory);
    const own: Plugged = { ...seat, incoming, events: undefined, membership: undefined };
    // Whoever asks is answered before the log begins: a new group's voters meet.
    this.plugged.set(nodeId, own);
    process.atEnd(() => {
      this.unplug(own);
    });
    return {
      start: (events) => {
        own.events = events;
      },
      setMembership: (membership) => {
        own.membership = membership;
      },
      send: (message) => {
        this.send(own, message);
      },
      introduce: (peer, founders) => this.introduce(own, peer, founders),
      sendSnapshot: (message, snapshot, signal) => this.carry(own, { message, snapshot }, signal),
      stop: () => {
        this.unplug(own);
        return Promise.resolve();
      },
    };
  }

  private unplug(seat: Plugged): void {
    if (this.plugged.get(seat.nodeId) === seat) this.plugged.delete(seat.nodeId);
  }

  private send(from: Plugged, message: Message): void {
    if (!from.process.isAlive) return;
    const copies = this.draw() < this.weather.doubleShare ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.schedule.after(this.latencyMs(), () => {
        if (!this.isLost(from.nodeId, message.to)) this.deliver(from, message);
      });
    }
  }

  private deliver(from: Plugged, message: Message): void {
    const to = this.plugged.get(message.to);
    if (to?.events === undefined || this.isRefused(from, to)) return;
    to.process.after(0, () => {
      try {
        to.events?.received(message);
      } catch (error) {
        // A real one ends the stream.
        this.thrown(to.nodeId, error);
      }
    });
  }

  /** As the hello of a real stream: a stranger to the group learns that it is one. */
  private isRefused(from: Plugged, to: Plugged): boolean {
    const error = refusalOf(from, to);
    if (error === undefined) return false;
    if (error.code !== 'WRONG_CLUSTER') from.process.after(0, () => from.events?.refused(error));
    return true;
  }

  private async introduce(
    from: Plugged,
    peer: Peer,
    founders: readonly Peer[],
  ): Promise<Introduction> {
    await from.process.wait(this.latencyMs());
    const to = this.plugged.get(peer.id);
    if (to === undefined || this.isLost(from.nodeId, peer.id) || this.isLost(peer.id, from.nodeId))
      throw new LogtierError('METASTORE_UNAVAILABLE', `member ${peer.id} does not answer`);
    const error = refusalOf(from, to);
    if (error !== undefined) throw error;
    const agreed = await orGone(to.process, to.founders.agree(founders));
    const members = to.membership === undefined ? [] : peersOf(to.membership);
    return { directory: to.directoryId, members, voters: to.voters, founders: agreed };
  }

  private async carry(
    from: Plugged,
    sent: { readonly message: Message; readonly snapshot: Snapshot },
    signal: AbortSignal,
  ): Promise<void> {
    const transferId = from.process.random.bytes(16);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.carryOnce(from, { ...sent, transferId }, signal);
        this.snapshotsCarried += 1;
        return;
      } catch (error) {
        if (attempt === 3 || signal.aborted) throw error;
        await from.process.wait(100);
      }
    }
  }

  private async carryOnce(
    from: Plugged,
    sent: {
      readonly message: Message;
      readonly snapshot: Snapshot;
      readonly transferId: Uint8Array;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { message, snapshot, transferId } = sent;
    const to = this.reached(from, message.to);
    const has = await orGone(to.process, to.incoming.begin(transferId));
    let at = 0;
    for await (const whole of snapshot.content(signal)) {
      for (let start = 0; start < whole.length; start += CHUNK_BYTES) {
        const content = Buffer.from(whole.subarray(start, start + CHUNK_BYTES));
        const rest = content.subarray(Math.max(0, Math.min(content.length, has - at)));
        at += content.length;
        if (rest.length > 0) await this.chunk(from, to, { at: at - rest.length, content: rest });
      }
    }
    const content = await this.chunk(from, to, { at, content: Buffer.alloc(0), isLast: true });
    if (content === undefined) throw new Error('a whole snapshot has content');
    to.process.after(0, () => to.events?.snapshotReceived(message, content));
  }

  private async chunk(
    from: Plugged,
    to: Plugged,
    { at, content, isLast = false }: { at: number; content: Buffer; isLast?: boolean },
  ): ReturnType<IncomingSnapshots['take']> {
    await from.process.wait(this.latencyMs());
    this.reached(from, to.nodeId);
    if (this.draw() < this.weather.breakShare) throw new Error('the stream broke');
    const chunk = { offset: BigInt(at), content, crc: crc32(content), isLast };
    return await orGone(to.process, to.incoming.take(chunk));
  }

  private reached(from: Plugged, id: number): Plugged {
    const to = this.plugged.get(id);
    const isCut =
      this.blocked.has(`${from.nodeId}>${id}`) || this.blocked.has(`${id}>${from.nodeId}`);
    if (to?.events === undefined || isCut || refusalOf(from, to) !== undefined) {
      throw new LogtierError('METASTORE_UNAVAILABLE', 'the receiver is not reached');
    }
    return to;
  }
}

/** A receiver that dies in the middle never answers: the sender hears of the broken stream. */
function orGone<T>(process: Process, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const forget = process.atEnd(() => {
      reject(new LogtierError('METASTORE_UNAVAILABLE', 'the receiver is gone'));
    });
    void answer.finally(forget).then(resolve, reject);
  });
}

function refusalOf(from: Plugged, to: Plugged): LogtierError | undefined {
  if (from.groupId !== to.groupId) return new LogtierError('WRONG_CLUSTER', 'another group');
  if (to.membership?.removed.has(from.nodeId) === true) {
    return new LogtierError('MEMBER_REMOVED', `member ${from.nodeId} was removed`);
  }
  const known = to.membership?.directories.get(from.nodeId) ?? to.founders.directoryOf(from.nodeId);
  try {
    requireDirectory({ id: from.nodeId, directory: from.directoryId }, known, to.nodeId);
    return undefined;
  } catch (error) {
    return error as LogtierError;
  }
}
