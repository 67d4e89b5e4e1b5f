// The group over gRPC: every member dials each other one and sends on what it dialled.
import { hasCode, LogtierError } from '../../../base/errors.ts';
import {
  type ExchangeRequest,
  type ExchangeResponse,
  type InstallSnapshotRequest,
  type InstallSnapshotResponse,
  type IntroduceRequest,
  type IntroduceResponse,
  type RaftBatch,
  type RaftHello,
  RaftServiceService,
} from '../../../gen/logtier/v1/raft.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Disk } from '../../../platform/disk.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../../rpc/channel.ts';
import { type RpcService, rpcService } from '../../../rpc/serve.ts';
import type { Message } from '../../raft/messages.ts';
import type { Snapshot } from '../replicated-log.ts';
import { IncomingSnapshots } from './incoming-snapshots.ts';
import type { Founders } from './founders.ts';
import { type Introduction, requireDirectory } from './meet-voters.ts';
import {
  decodePeer,
  encodePeer,
  type Membership,
  type Peer,
  peersOf,
  safeNumber,
} from './membership.ts';
import { decodeMessage } from './message-codec.ts';
import { PeerLink } from './peer-link.ts';
import { transferSnapshot } from './snapshot-transfer.ts';
import type { PeerEvents, RaftTransport } from './transport.ts';

export interface GrpcTransportDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
}

export interface GroupIdentity {
  /** The metastore's id. */
  readonly groupId: string;
  readonly nodeId: number;
  /** Where the others reach this member. */
  readonly address: string;
  /** Whom a new group begins with. */
  readonly voters: readonly Peer[];
  /** Id of this member's log. */
  readonly directoryId: string;
  readonly founders: Founders;
  /** For snapshots on their way in; exists. */
  readonly directory: string;
  /** Where this member reaches another one, when that is not the other's address. */
  readonly dial?: (peer: Peer) => string;
}

export class GrpcRaftTransport implements RaftTransport {
  /** To be served where the others dial. */
  readonly service: RpcService;
  private readonly deps: GrpcTransportDeps;
  private readonly identity: GroupIdentity;
  private readonly incoming: IncomingSnapshots;
  private readonly links = new Map<number, PeerLink>();
  /** Of who dialled and is not in the membership this member knows: it joins, or lags behind. */
  private readonly callers = new Map<number, string>();
  private membership: Membership | undefined;
  private events: PeerEvents | undefined;
  private isStopped = false;

  constructor(deps: GrpcTransportDeps, identity: GroupIdentity) {
    this.deps = deps;
    this.identity = identity;
    this.incoming = new IncomingSnapshots(deps.disk, identity.directory);
    this.service = rpcService(RaftServiceService, {
      exchange: (requests) => this.exchange(requests),
      introduce: (request) => this.introduced(request),
      installSnapshot: (requests) => this.installSnapshot(requests),
    });
  }

  start(events: PeerEvents): void {
    this.events = events;
  }

  setMembership(membership: Membership): void {
    this.membership = membership;
    this.connect();
  }

  send(message: Message): void {
    const link = this.links.get(message.to);
    if (link === undefined) return;
    link.send(message);
  }

  async sendSnapshot(message: Message, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const link = this.links.get(message.to);
    if (link === undefined) throw new LogtierError('NOT_FOUND', `no way to member ${message.to}`);
    const { channel } = link;
    const hello = this.helloTo(message.to);
    await transferSnapshot({ ...this.deps, channel }, { message, hello, snapshot }, signal);
  }

  /** Asks who listens at the peer's address, and to agree to the founders unless they are nobody. */
  async introduce(
    peer: Peer,
    founders: readonly Peer[],
    signal: AbortSignal,
  ): Promise<Introduction> {
    const channel = this.channelTo(peer);
    try {
      const { introduce } = RaftServiceService;
      const request = { hello: this.helloTo(peer.id), founders: founders.map(encodePeer) };
      const said = await channel.unary(introduce, request, INTRODUCE_MS, signal);
      return {
        directory: said.directory,
        members: said.members.map(decodePeer),
        voters: said.voters.map(decodePeer),
        founders: said.founders.map(decodePeer),
      };
    } catch (error) {
      if (!hasCode(error, 'METASTORE_UNAVAILABLE', 'DEADLINE_EXCEEDED')) throw error;
      const what = `member ${peer.id} does not answer at ${peer.address}`;
      throw new LogtierError('METASTORE_UNAVAILABLE', what, {
        hint: 'start it first, with this address',
        cause: error,
      });
    } finally {
      channel.stop();
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    const links = [...this.links.values()];
    this.links.clear();
    await Promise.all(links.map((link) => link.stop()));
    await this.incoming.stop();
  }

  private helloTo(to: number): RaftHello {
    const { groupId, nodeId, address, directoryId } = this.identity;
    return { groupId, from: BigInt(nodeId), to: BigInt(to), address, directory: directoryId };
  }

  private channelTo(peer: Peer): RpcChannel {
    return openChannel(this.deps.clock, {
      ...defaultChannelSettings,
      address: this.identity.dial?.(peer) ?? peer.address,
      unavailableAs: 'METASTORE_UNAVAILABLE',
    });
  }

  /** A link to every member with an address, and to none else. */
  private connect(): void {
    const { membership, events } = this;
    if (membership === undefined || events === undefined || this.isStopped) return;
    const wanted = new Map([...this.callers, ...membership.addresses]);
    wanted.delete(this.identity.nodeId);
    for (const id of membership.removed) wanted.delete(id);
    for (const [id, link] of this.links) {
      if (wanted.get(id) === link.address) continue;
      this.links.delete(id);
      void link.stop();
    }
    for (const [id, address] of wanted) {
      if (this.links.has(id) || address === '') continue;
      const channel = this.channelTo({ id, address });
      const link = new PeerLink({ ...this.deps, channel, events }, this.helloTo(id), address);
      link.start();
      this.links.set(id, link);
    }
  }

  private async introduced({ hello, founders }: IntroduceRequest): Promise<IntroduceResponse> {
    if (hello === undefined) throw noHello();
    this.check(hello);
    const { directoryId, voters } = this.identity;
    const agreed = await this.identity.founders.agree(founders.map(decodePeer));
    // Read last: the group may have begun meanwhile.
    const members = this.membership === undefined ? [] : peersOf(this.membership);
    return {
      directory: directoryId,
      members: members.map(encodePeer),
      voters: voters.map(encodePeer),
      founders: agreed.map(encodePeer),
    };
  }

  private async *exchange(
    requests: AsyncIterable<ExchangeRequest>,
  ): AsyncGenerator<ExchangeResponse, void, undefined> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    const hello = first.done === true ? undefined : first.value.part;
    if (hello?.$case !== 'hello') throw noHello();
    const from = this.welcome(hello.value);
    try {
      yield {};
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        if (next.value.part?.$case === 'batch') this.receive(next.value.part.value, from);
      }
    } finally {
      if (!this.isStopped) this.events?.disconnected(from);
    }
  }

  private receive({ messages }: RaftBatch, from: number): void {
    this.requireNotRemoved(from);
    for (const bytes of messages) {
      const message = decodeMessage(bytes, from, this.identity.nodeId);
      if (message.type === 'MsgSnap') {
        throw new LogtierError('CORRUPT_STATE', 'a snapshot came without its content');
      }
      this.events?.received(message);
    }
  }

  private async *installSnapshot(
    requests: AsyncIterable<InstallSnapshotRequest>,
  ): AsyncGenerator<InstallSnapshotResponse, void, undefined> {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    const start = first.done === true ? undefined : first.value.part;
    if (start?.$case !== 'start' || start.value.hello === undefined) throw noHello();
    const from = this.welcome(start.value.hello);
    if (start.value.message === undefined) throw noHello();
    const message = decodeMessage(start.value.message, from, this.identity.nodeId);
    const receivedBytes = await this.incoming.begin(start.value.transferId);
    yield { receivedBytes: BigInt(receivedBytes), isComplete: false };
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const { part } = next.value;
      if (part?.$case !== 'chunk') continue;
      const content = await this.incoming.take(part.value);
      if (content === undefined) continue;
      this.events?.snapshotReceived(message, content);
      yield { receivedBytes: part.value.offset, isComplete: true };
      return;
    }
  }

  private welcome(hello: RaftHello): number {
    const id = this.check(hello);
    const { address } = hello;
    if (this.membership?.addresses.has(id) !== true && this.callers.get(id) !== address) {
      if (this.callers.size < MAX_CALLERS) this.callers.set(id, address);
      this.connect();
    }
    return id;
  }

  private requireNotRemoved(id: number): void {
    if (this.membership?.removed.has(id) === true) {
      throw new LogtierError('MEMBER_REMOVED', `member ${id} was removed from the group`, {
        hint: 'a new member joins under a new number, with an empty directory',
      });
    }
  }

  /** WRONG_CLUSTER, MEMBER_REMOVED and WRONG_DIRECTORY for who is not one of the group. */
  private check({ groupId, from, to, directory }: RaftHello): number {
    const { nodeId, groupId: own } = this.identity;
    if (groupId !== own || to !== BigInt(nodeId)) {
      const theirs = `member ${from} of ${groupId} looks for member ${to}`;
      throw new LogtierError('WRONG_CLUSTER', `${theirs}, this is member ${nodeId} of ${own}`, {
        hint: "check the members' ids and addresses in the settings",
      });
    }
    const id = safeNumber(from);
    this.requireNotRemoved(id);
    const known = this.membership?.directories.get(id) ?? this.identity.founders.directoryOf(id);
    requireDirectory({ id, directory }, known, nodeId);
    return id;
  }
}

const INTRODUCE_MS = 2_000;

/** Strangers that are answered; a group has at most a handful of members. */
const MAX_CALLERS = 16;

function noHello(): LogtierError {
  return new LogtierError('INVALID_ARGUMENT', 'a member begins with a hello');
}
