// The members of a metastore group as commands call them.
import { hasCode, LogtierError } from '../base/errors.ts';
import {
  type ChangeMembersRequest,
  type ChangeMembersResponse,
  ClusterServiceService as methods,
  type GetMemberResponse,
  type TransferLeadershipResponse,
} from '../gen/logtier/v1/cluster.ts';
import type { Clock } from '../platform/clock.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../rpc/channel.ts';

/** A change waits for a majority and for the joint configuration to be left. */
const CHANGE_MS = 60_000;
const STATUS_MS = 3_000;
/** Of who leads: an election may be under way. */
const LOOKS = 10;
const LOOK_AGAIN_MS = 500;

export class ClusterCalls {
  /** As named by the operator or the settings. */
  readonly addresses: readonly string[];
  private readonly clock: Clock;
  private readonly channels = new Map<string, RpcChannel>();

  constructor(clock: Clock, addresses: readonly string[]) {
    this.clock = clock;
    this.addresses = addresses;
  }

  /** METASTORE_UNAVAILABLE when nobody answers there. */
  async memberAt(address: string, signal: AbortSignal): Promise<GetMemberResponse> {
    try {
      return await this.channelTo(address).unary(methods.getMember, {}, STATUS_MS, signal);
    } catch (error) {
      throw hasCode(error, 'METASTORE_UNAVAILABLE') ? nobodyAt([address], error) : error;
    }
  }

  /** The first member that answers. */
  async anyMember(
    signal: AbortSignal,
  ): Promise<{ readonly address: string; readonly member: GetMemberResponse }> {
    let last: unknown;
    for (const address of this.addresses) {
      try {
        return { address, member: await this.memberAt(address, signal) };
      } catch (error) {
        if (!hasCode(error, 'METASTORE_UNAVAILABLE', 'DEADLINE_EXCEEDED')) throw error;
        last = error;
      }
    }
    throw nobodyAt(this.addresses, last);
  }

  changeMembers(
    request: ChangeMembersRequest,
    signal: AbortSignal,
  ): Promise<ChangeMembersResponse> {
    return this.askLeader(signal, (channel) =>
      channel.unary(methods.changeMembers, request, CHANGE_MS, signal),
    );
  }

  transferLeadership(nodeId: bigint, signal: AbortSignal): Promise<TransferLeadershipResponse> {
    return this.askLeader(signal, (channel) =>
      channel.unary(methods.transferLeadership, { nodeId }, CHANGE_MS, signal),
    );
  }

  async *snapshotOf(address: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const channel = this.channelTo(address);
    for await (const { content } of channel.stream(methods.saveSnapshot, {}, signal)) yield content;
  }

  close(): void {
    for (const channel of this.channels.values()) channel.stop();
  }

  private async askLeader<T>(
    signal: AbortSignal,
    ask: (channel: RpcChannel) => Promise<T>,
  ): Promise<T> {
    let address = (await this.anyMember(signal)).address;
    for (let look = 1; ; look += 1) {
      try {
        return await ask(this.channelTo(address));
      } catch (error) {
        if (!hasCode(error, 'NOT_LEADER') || look === LOOKS) throw error;
        const { leader } = error.details;
        if (typeof leader === 'string' && leader !== address) address = leader;
        else await this.clock.sleep(LOOK_AGAIN_MS, signal);
      }
    }
  }

  private channelTo(address: string): RpcChannel {
    const known = this.channels.get(address);
    if (known !== undefined) return known;
    const channel = openChannel(this.clock, {
      ...defaultChannelSettings,
      address,
      unavailableAs: 'METASTORE_UNAVAILABLE',
    });
    this.channels.set(address, channel);
    return channel;
  }
}

function nobodyAt(addresses: readonly string[], cause: unknown): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', `nobody answers at ${addresses.join(', ')}`, {
    hint: 'is the metastore running? Name a member with --endpoint or its settings with --config',
    cause,
  });
}
