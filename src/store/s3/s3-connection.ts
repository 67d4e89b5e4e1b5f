// The two ways to one bucket: control calls by the AWS SDK, bodies by our own signed exchange.
import * as http from 'node:http';
import * as https from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { Clock } from '../../platform/clock.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import type { Disk } from '../../platform/disk.ts';
import { exchange } from '../transfer/http-exchange.ts';
import type { Answer, Outgoing } from '../transfer/http-exchange.ts';
import { SocketGets } from '../transfer/socket-get.ts';
import type { RangeAnswer } from '../transfer/socket-get.ts';
import { allowManyListeners } from '../transfer/linked-abort.ts';
import { fileCredentials } from './credentials.ts';
import { sdkError } from './errors.ts';
import type { S3StoreSettings } from './settings.ts';
import { encodePath, encodeText, signRequest } from './sign-request.ts';

/** Connections of one bucket: parts of all copies and reads share them; more wait for a free one. */
const MOST_CONNECTIONS = 64;

export interface S3ConnectionDeps {
  readonly clock: Clock;
  readonly disk: Disk;
}

export interface DataRequest {
  readonly method: Outgoing['method'];
  /** Relative to the prefix; '' = the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array>;
}

function awsEndpoint(region: string): string {
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  return `https://s3.${region}.${domain}`;
}

function clientConfig(settings: S3StoreSettings, disk: Disk, clock: Clock): S3ClientConfig {
  const { credentials, profile } = settings;
  return {
    region: settings.region,
    endpoint: settings.endpoint ?? awsEndpoint(settings.region),
    forcePathStyle: settings.forcePathStyle,
    maxAttempts: 1, // the retrying decorator knows what may be repeated
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: settings.connectTimeoutMs,
      requestTimeout: settings.controlTimeoutMs,
      throwOnRequestTimeout: true,
    },
    ...(credentials === undefined
      ? {}
      : { credentials: fileCredentials({ disk, clock }, credentials) }),
    ...(profile === undefined ? {} : { profile }),
  };
}

export class S3Connection {
  readonly bucket: string;
  readonly settings: S3StoreSettings;
  private readonly clock: Clock;
  private readonly client: S3Client;
  private readonly agent: http.Agent;
  private readonly gets: SocketGets;
  private readonly root: URL;

  constructor(deps: S3ConnectionDeps, settings: S3StoreSettings) {
    this.bucket = settings.bucket;
    this.settings = settings;
    this.clock = deps.clock;
    this.client = new S3Client(clientConfig(settings, deps.disk, deps.clock));
    this.gets = new SocketGets(deps.clock, settings);
    this.root = new URL(settings.endpoint ?? awsEndpoint(settings.region));
    const options = { keepAlive: true, maxSockets: MOST_CONNECTIONS };
    const isTls = this.root.protocol === 'https:';
    this.agent = isTls ? new https.Agent(options) : new http.Agent(options);
  }

  /** The key as the bucket knows it. */
  fullKey(key: string): string {
    return `${this.settings.prefix}${key}`;
  }

  /** Runs one control call; its errors become ours. */
  async control<T>(
    call: (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
    doing: string,
    signal: AbortSignal,
  ): Promise<T> {
    throwIfAborted(signal);
    allowManyListeners(signal);
    try {
      return await call(this.client, { abortSignal: signal });
    } catch (error) {
      throw sdkError(error, doing, signal);
    }
  }

  /** Sends one signed request with a body of ours; any status is an answer. */
  async data(request: DataRequest, signal: AbortSignal): Promise<Answer> {
    const { method, body } = request;
    const { url, headers } = await this.signed(request, signal);
    const outgoing = { method, url, headers, ...(body === undefined ? {} : { body }) };
    return exchange({ clock: this.clock, agent: this.agent }, this.settings, outgoing, signal);
  }

  /** A GET of a range by the fast way; undefined over TLS and for what is not a plain 206: then ask `data`. */
  async getRange(request: DataRequest, signal: AbortSignal): Promise<RangeAnswer | undefined> {
    if (this.root.protocol === 'https:') return undefined;
    return this.gets.get({ ...(await this.signed(request, signal)), expected: 206 }, signal);
  }

  /** Idle connections of both ways are closed; calls in flight go on. */
  stop(): void {
    this.client.destroy();
    this.agent.destroy();
    this.gets.stop();
  }

  private async signed(
    request: DataRequest,
    signal: AbortSignal,
  ): Promise<{ readonly url: URL; readonly headers: Record<string, string> }> {
    allowManyListeners(signal);
    const url = this.urlOf(request);
    const scope = {
      region: this.settings.region,
      credentials: await this.credentials(signal),
      nowMs: this.clock.wallMs() + this.client.config.systemClockOffset,
    };
    const { method } = request;
    return { url, headers: signRequest({ method, url, headers: request.headers ?? {} }, scope) };
  }

  private async credentials(signal: AbortSignal): ReturnType<S3Client['config']['credentials']> {
    try {
      return await this.client.config.credentials();
    } catch (error) {
      throw sdkError(error, 'getting credentials', signal);
    }
  }

  private urlOf({ key, query = {} }: DataRequest): URL {
    const url = new URL(this.root);
    const { forcePathStyle } = this.settings;
    if (!forcePathStyle) url.host = `${this.bucket}.${url.host}`;
    const parts = forcePathStyle ? [encodeText(this.bucket)] : [];
    if (key !== '') parts.push(encodePath(this.fullKey(key)));
    url.pathname = `/${parts.join('/')}`;
    url.search = Object.entries(query)
      .map(([name, value]) => `${encodeText(name)}=${encodeText(value)}`)
      .join('&');
    return url;
  }
}
