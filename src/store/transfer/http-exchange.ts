// One HTTP request and its answer over node:http(s), for bodies that matter: a piece is written, its
// callback awaited, the next one asked for. So memory is the source's ring, and a hang is noticed.
import * as http from 'node:http';
import * as https from 'node:https';
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { abortError, throwIfAborted } from '../../platform/clock.ts';
import { errnoOf } from '../../platform/disk.ts';
import { STREAM_CHUNK_BYTES } from '../object-store.ts';
import type { IdleWatch } from './idle-watch.ts';
import { idleWatch } from './idle-watch.ts';

export interface ExchangeDeps {
  readonly clock: Clock;
  /** Matches the scheme of the URL. */
  readonly agent: http.Agent;
}

export interface ExchangeSettings {
  /** Until the connection stands (TLS included). */
  readonly connectTimeoutMs: number;
  /** Longest wait for the other side to take or give the next bytes. */
  readonly idleTimeoutMs: number;
}

export interface Outgoing {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  /** With `content-length` when there is a body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array>;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** The body in pieces ≤ STREAM_CHUNK_BYTES; leaving early closes the connection. Read it or call `drop`. */
  readonly body: () => AsyncGenerator<Uint8Array>;
  /** The whole body as text, cut at 64 KiB: for error documents. */
  readonly text: () => Promise<string>;
  /** Ends the exchange without reading on. */
  readonly drop: () => void;
}

const LONGEST_TEXT_BYTES = 64 * 1024;

/** Errors of sockets, and ours, as ours: whatever broke on the way may work the next time. */
export function transferError(error: unknown, url: URL, signal: AbortSignal): LogtierError {
  if (signal.aborted) return abortError(signal);
  if (error instanceof LogtierError) return error;
  const why = errnoOf(error) ?? String(error);
  return new LogtierError('STORE_UNAVAILABLE', `${url.host}: ${why}`, { cause: error });
}

/** State of one exchange: everything that ends it goes through `fail`. */
class Exchange {
  readonly request: http.ClientRequest;
  readonly watch: IdleWatch;
  private readonly outgoing: Outgoing;
  private readonly signal: AbortSignal;
  private readonly clock: Clock;
  private readonly answered: Promise<http.IncomingMessage>;
  private readonly onAbort = (): void => {
    this.fail(abortError(this.signal));
  };
  private failure: LogtierError | undefined;
  private hasAnswer = false;

  constructor(
    deps: ExchangeDeps,
    settings: ExchangeSettings,
    outgoing: Outgoing,
    signal: AbortSignal,
  ) {
    this.outgoing = outgoing;
    this.signal = signal;
    this.clock = deps.clock;
    const { url, method, headers } = outgoing;
    const connector = url.protocol === 'https:' ? https : http;
    this.request = connector.request(url, { method, headers, agent: deps.agent });
    this.watch = idleWatch(deps.clock, settings.idleTimeoutMs, () => {
      this.fail(unavailable(url, `no byte moved in ${settings.idleTimeoutMs} ms`));
    });
    this.answered = new Promise((resolve, reject) => {
      this.request.once('response', (response) => {
        this.hasAnswer = true;
        resolve(response);
      });
      this.request.on('error', (error) => {
        reject(this.failure ?? transferError(error, url, signal));
      });
    });
    this.answered.catch(() => undefined); // told by whoever awaits the answer
    this.watchConnection(settings.connectTimeoutMs);
    signal.addEventListener('abort', this.onAbort, { once: true });
  }

  fail(why: LogtierError): void {
    this.failure ??= why;
    this.request.destroy(this.failure);
  }

  end(): void {
    this.watch.stop();
    this.signal.removeEventListener('abort', this.onAbort);
  }

  /** Sends the body until it ends or an answer comes first (a refusal), then awaits the answer. */
  async send(): Promise<http.IncomingMessage> {
    const { body } = this.outgoing;
    if (body !== undefined) await this.sendBody(body);
    if (!this.hasAnswer) this.request.end();
    this.watch.arm();
    const response = await this.answered;
    this.watch.disarm();
    return response;
  }

  /** What a broken body means: the reason why we broke it, if we did. */
  told(error: unknown): LogtierError {
    return this.failure ?? transferError(error, this.outgoing.url, this.signal);
  }

  private async sendBody(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of body) {
      this.watch.arm();
      await Promise.race([this.write(piece), this.answered]);
      this.watch.disarm();
      if (this.hasAnswer) return;
    }
  }

  private write(piece: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.request.write(piece, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(this.told(error));
      });
    });
  }

  private watchConnection(connectTimeoutMs: number): void {
    this.request.once('socket', (socket) => {
      if (!socket.connecting) return;
      const never = new AbortController().signal;
      const deadline = this.clock.deadline(connectTimeoutMs, never);
      const { url } = this.outgoing;
      deadline.signal.addEventListener('abort', () => {
        this.fail(unavailable(url, `no connection in ${connectTimeoutMs} ms`));
      });
      const clear = (): void => {
        deadline.clear();
      };
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', clear);
      socket.once('close', clear);
    });
  }
}

function unavailable(url: URL, why: string): LogtierError {
  return new LogtierError('STORE_UNAVAILABLE', `${url.host}: ${why}`);
}

function* cut(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += STREAM_CHUNK_BYTES) {
    yield piece.subarray(at, at + STREAM_CHUNK_BYTES);
  }
}

/** Pieces as they come; the watch runs only while we wait for the other side. */
async function* pieces(
  running: Exchange,
  response: http.IncomingMessage,
): AsyncGenerator<Uint8Array> {
  try {
    running.watch.arm();
    for await (const piece of response) {
      running.watch.disarm();
      yield* cut(piece);
      running.watch.arm();
    }
  } catch (error) {
    throw running.told(error);
  } finally {
    running.end();
    if (!response.complete) response.destroy();
  }
}

function answerOf(running: Exchange, response: http.IncomingMessage): Answer {
  const body = (): AsyncGenerator<Uint8Array> => pieces(running, response);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    text: async () => {
      const kept: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of body()) {
        if (bytes < LONGEST_TEXT_BYTES) kept.push(piece);
        bytes += piece.length;
      }
      return Buffer.concat(kept).subarray(0, LONGEST_TEXT_BYTES).toString();
    },
    drop: () => {
      running.end();
      response.destroy();
    },
  };
}

/** Resolves with the answer's head. All failures on the way are STORE_UNAVAILABLE or the signal's reason. */
export async function exchange(
  deps: ExchangeDeps,
  settings: ExchangeSettings,
  outgoing: Outgoing,
  signal: AbortSignal,
): Promise<Answer> {
  throwIfAborted(signal);
  const running = new Exchange(deps, settings, outgoing, signal);
  try {
    return answerOf(running, await running.send());
  } catch (error) {
    running.end();
    const told = error instanceof LogtierError ? error : running.told(error);
    running.fail(told);
    throw told;
  }
}
