// etcd's v3 API over gRPC: one member is asked until it does not answer, then the next.
import { Metadata } from '@grpc/grpc-js';
import { assert } from '../../../base/assert.ts';
import { hasCode, LogtierError } from '../../../base/errors.ts';
import {
  AuthService,
  Event_EventType,
  KVService,
  LeaseService,
  WatchCreateRequest_FilterType,
  WatchService,
  type WatchRequest,
  type WatchResponse,
} from '../../../gen/etcd/etcdserverpb/rpc.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { EtcdClient, KeyRange, Puts, Txn, TxnResult } from './etcd-client.ts';
import { channelCredentials, EtcdChannel, type Method, type TlsIdentity } from './etcd-channel.ts';
import { etcdError, isServiceError, isStaleToken } from './etcd-status.ts';
import type { EtcdLogSettings } from './settings.ts';
import { keyBytes, keyRow, txnRequest, txnResult } from './txn-message.ts';

/** The contents of the files that the settings name. */
export interface EtcdAccess {
  readonly tls: TlsIdentity;
  /** Undefined without authentication. */
  readonly login: { readonly name: string; readonly password: string } | undefined;
}

type ClientSettings = Pick<EtcdLogSettings, 'endpoints' | 'callMs'>;

/** Connects when first used, and again by itself. */
export function connectEtcd(
  clock: Clock,
  settings: ClientSettings,
  access: EtcdAccess,
): EtcdClient {
  const isTls = settings.endpoints.every((endpoint) => endpoint.startsWith('https:'));
  const secured = channelCredentials(isTls ? access.tls : undefined);
  const channels = settings.endpoints.map(
    (endpoint) => new EtcdChannel(clock, endpoint.replace(/^https?:\/\//, ''), secured),
  );
  return new GrpcEtcdClient(channels, settings, access);
}

class GrpcEtcdClient implements EtcdClient {
  private readonly channels: readonly EtcdChannel[];
  private readonly settings: ClientSettings;
  private readonly access: EtcdAccess;
  private turn = 0;
  /** One login at a time; a token is good for every member. */
  private token: Promise<string> | undefined;

  constructor(channels: readonly EtcdChannel[], settings: ClientSettings, access: EtcdAccess) {
    this.channels = channels;
    this.settings = settings;
    this.access = access;
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    return txnResult(await this.answer(KVService.txn, txnRequest(txn), signal));
  }

  async *watchPuts(
    range: KeyRange,
    fromRevision: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<Puts, void, undefined> {
    const asked = this.turn;
    const channel = this.channelOf(asked);
    const metadata = await this.metadata(channel, signal);
    // The member ends the watch when it has no leader, instead of falling silent (rpctypes/metadatafields.go).
    metadata.set('hasleader', 'true');
    try {
      const call = { metadata, deadlineMs: undefined };
      const request = watchRequest(range, fromRevision);
      for await (const response of channel.stream(WatchService.watch, request, call, signal)) {
        yield putsOf(response);
      }
    } catch (error) {
      throw this.told(error, channel, asked);
    }
    this.turnFrom(asked);
    throw new LogtierError('METASTORE_UNAVAILABLE', `etcd at ${channel.address} ended a watch`);
  }

  async compact(revision: bigint, signal: AbortSignal): Promise<void> {
    try {
      await this.answer(KVService.compact, { revision }, signal);
    } catch (error) {
      if (!hasCode(error, 'COMPACTED')) throw error;
    }
  }

  async grantLease(ttlMs: number, signal: AbortSignal): Promise<bigint> {
    const request = { TTL: BigInt(Math.ceil(ttlMs / 1000)) };
    const { ID } = await this.answer(LeaseService.leaseGrant, request, signal);
    return ID;
  }

  async renewLease(lease: bigint, signal: AbortSignal): Promise<boolean> {
    const asked = this.turn;
    const channel = this.channelOf(asked);
    const call = {
      metadata: await this.metadata(channel, signal),
      deadlineMs: this.settings.callMs,
    };
    try {
      const { leaseKeepAlive } = LeaseService;
      for await (const { TTL } of channel.stream(leaseKeepAlive, { ID: lease }, call, signal)) {
        return TTL > 0n;
      }
    } catch (error) {
      throw this.told(error, channel, asked);
    }
    throw new LogtierError('METASTORE_UNAVAILABLE', `etcd at ${channel.address} said nothing`);
  }

  async revokeLease(lease: bigint, signal: AbortSignal): Promise<void> {
    try {
      await this.answer(LeaseService.leaseRevoke, { ID: lease }, signal);
    } catch (error) {
      if (!hasCode(error, 'NOT_FOUND')) throw error;
    }
  }

  stop(): void {
    for (const channel of this.channels) channel.stop();
  }

  /** One attempt, and a second one when only the token was stale: then the first did nothing. */
  private async answer<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Response> {
    const asked = this.turn;
    const channel = this.channelOf(asked);
    for (let attempt = 0; ; attempt += 1) {
      const metadata = await this.metadata(channel, signal);
      const call = { metadata, deadlineMs: this.settings.callMs };
      try {
        return await channel.unary(method, request, call, signal);
      } catch (error) {
        const isStale = isServiceError(error) && isStaleToken(error);
        if (isStale && this.access.login !== undefined && attempt === 0) this.token = undefined;
        else throw this.told(error, channel, asked);
      }
    }
  }

  private async metadata(channel: EtcdChannel, signal: AbortSignal): Promise<Metadata> {
    const metadata = new Metadata();
    const { login } = this.access;
    if (login === undefined) return metadata;
    this.token ??= this.logIn(login, channel, signal);
    metadata.set('token', await this.token);
    return metadata;
  }

  private async logIn(
    login: { readonly name: string; readonly password: string },
    channel: EtcdChannel,
    signal: AbortSignal,
  ): Promise<string> {
    const asked = this.turn;
    try {
      const call = { metadata: new Metadata(), deadlineMs: this.settings.callMs };
      const { token } = await channel.unary(AuthService.authenticate, login, call, signal);
      return token;
    } catch (error) {
      this.token = undefined;
      throw this.told(error, channel, asked);
    }
  }

  private channelOf(turn: number): EtcdChannel {
    const channel = this.channels[turn % this.channels.length];
    assert(channel !== undefined, 'etcd has an endpoint');
    return channel;
  }

  private told(error: unknown, channel: EtcdChannel, asked: number): unknown {
    const ours = isServiceError(error) ? etcdError(error, channel.address) : error;
    // Also when the caller gave up: the next call must not wait for the same silent member.
    if (hasCode(ours, 'METASTORE_UNAVAILABLE', 'DEADLINE_EXCEEDED')) this.turnFrom(asked);
    return ours;
  }

  /** Calls that fail together turn once. */
  private turnFrom(asked: number): void {
    if (this.turn === asked) this.turn += 1;
  }
}

function watchRequest(range: KeyRange, startRevision: bigint): WatchRequest {
  const value = {
    key: keyBytes(range.start),
    rangeEnd: keyBytes(range.end),
    startRevision,
    filters: [WatchCreateRequest_FilterType.NODELETE],
    fragment: true,
  };
  return { requestUnion: { $case: 'createRequest', value } };
}

function putsOf({ header, canceled, compactRevision, cancelReason, events }: WatchResponse): Puts {
  if (compactRevision > 0n) {
    throw new LogtierError('COMPACTED', `etcd’s revisions below ${compactRevision} are gone`);
  }
  if (canceled || header === undefined) {
    throw new LogtierError('METASTORE_UNAVAILABLE', `etcd cancelled a watch: ${cancelReason}`);
  }
  const rows = events.flatMap(({ type, kv }) =>
    type === Event_EventType.PUT && kv !== undefined ? [keyRow(kv)] : [],
  );
  return { clusterId: header.clusterId, rows };
}
