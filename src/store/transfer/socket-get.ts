// GET over plain HTTP/1.1, read straight into one buffer a connection. A stream would allocate fresh memory
// for every 64 KiB, the dearest thing in a read. Whatever is not the plain case (an error, chunked coding, a
// connection that died while idle) is left to node:http by answering undefined: a GET may be repeated.
import * as net from 'node:net';
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { abortError, throwIfAborted } from '../../platform/clock.ts';
import { STREAM_CHUNK_BYTES } from '../object-store.ts';
import type { ExchangeSettings } from './http-exchange.ts';
import { transferError } from './http-exchange.ts';
import type { IdleWatch } from './idle-watch.ts';
import { idleWatch } from './idle-watch.ts';

/** Each idle connection keeps its buffer: more are closed. */
const MOST_IDLE = 16;

/** More is no answer of a store. */
const LONGEST_HEAD_BYTES = 32 * 1024;

const HEAD_END = '\r\n\r\n';

export interface RangeAnswer {
  /** Empty when there is none. */
  readonly contentRange: string;
  readonly contentBytes: number;
  /** Exactly `contentBytes`; a piece is valid until the next is asked for. Leaving early closes the connection. */
  readonly body: () => AsyncGenerator<Uint8Array>;
  readonly drop: () => void;
}

interface Head {
  readonly contentRange: string;
  readonly contentBytes: number;
  readonly keepsAlive: boolean;
}

interface PlainAnswer {
  readonly head: Head;
  /** What came with it. */
  readonly rest: Uint8Array;
}

/** Undefined: not the plain case. */
function parseHead(text: string, expected: number): Head | undefined {
  const [status = '', ...lines] = text.split('\r\n');
  if (!status.startsWith(`HTTP/1.1 ${expected} `)) return undefined;
  const fields = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const length = fields.get('content-length') ?? '';
  if (!/^\d+$/.test(length) || fields.has('transfer-encoding')) return undefined;
  return {
    contentRange: fields.get('content-range') ?? '',
    contentBytes: Number(length),
    keepsAlive: fields.get('connection')?.toLowerCase() !== 'close',
  };
}

/** One connection. It reads only when asked, so its buffer is never overwritten behind a consumer's back. */
class GetSocket {
  readonly socket: net.Socket;
  /** With the port, as in a URL. */
  readonly host: string;
  private waiter: ((bytes: Uint8Array | undefined) => void) | undefined;
  private failure: unknown;
  private unasked: Uint8Array | undefined;

  constructor({ host, hostname, port }: URL) {
    this.host = host;
    const buffer = Buffer.allocUnsafeSlow(STREAM_CHUNK_BYTES);
    this.socket = net.connect({
      host: hostname,
      port: Number(port === '' ? 80 : port),
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          this.deliver(buffer.subarray(0, bytes));
          return false; // until `read` asks for more
        },
      },
    });
    this.socket.on('error', (error) => {
      this.failure ??= error;
    });
    this.socket.once('close', () => {
      this.waiter?.(undefined);
      this.waiter = undefined;
    });
  }

  get isUsable(): boolean {
    return !this.socket.destroyed && this.socket.readable && this.unasked === undefined;
  }

  /** The next bytes; undefined when the connection is gone, for the reason in `reason`. */
  read(): Promise<Uint8Array | undefined> {
    const { unasked } = this;
    this.unasked = undefined;
    if (unasked !== undefined) return Promise.resolve(unasked);
    if (this.socket.destroyed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.waiter = resolve;
      this.socket.resume();
    });
  }

  fail(reason: unknown): void {
    this.failure ??= reason;
    this.socket.destroy();
  }

  get reason(): unknown {
    return this.failure;
  }

  private deliver(bytes: Uint8Array): void {
    const { waiter } = this;
    this.waiter = undefined;
    if (waiter === undefined) this.unasked = bytes;
    else waiter(bytes);
  }
}

export interface SocketGetRequest {
  readonly url: URL;
  /** `host` among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Status of the plain case. */
  readonly expected: 200 | 206;
}

/** One GET in flight on one connection. */
class RunningGet {
  private readonly own: GetSocket;
  private readonly url: URL;
  private readonly signal: AbortSignal;
  private readonly watch: IdleWatch;
  private readonly onAbort = (): void => {
    this.own.fail(abortError(this.signal));
  };

  constructor(own: GetSocket, request: SocketGetRequest, watch: IdleWatch, signal: AbortSignal) {
    this.own = own;
    this.url = request.url;
    this.signal = signal;
    this.watch = watch;
    signal.addEventListener('abort', this.onAbort, { once: true });
  }

  send({ url, headers }: SocketGetRequest): void {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.own.socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${fields.join('')}\r\n`);
  }

  /** 'closed': before the head was whole. 'another': not the plain case. */
  async readHead(expected: number): Promise<PlainAnswer | 'closed' | 'another'> {
    let text = '';
    while (text.length <= LONGEST_HEAD_BYTES) {
      const bytes = await this.read();
      if (bytes === undefined) return 'closed';
      const before = text.length;
      text += Buffer.from(bytes).toString('latin1'); // one character a byte
      const end = text.indexOf(HEAD_END);
      if (end < 0) continue;
      const head = parseHead(text.slice(0, end), expected);
      if (head === undefined) return 'another';
      return { head, rest: bytes.subarray(end + HEAD_END.length - before) };
    }
    return 'another';
  }

  async *body(head: Head, rest: Uint8Array, keep: () => void): AsyncGenerator<Uint8Array> {
    let left = head.contentBytes;
    let bytes: Uint8Array | undefined = rest;
    try {
      while (left > 0) {
        if (bytes.length > left) throw this.told('more bytes than were announced');
        left -= bytes.length;
        if (bytes.length > 0) yield bytes;
        if (left === 0) break;
        bytes = await this.read();
        if (bytes === undefined) throw this.told('the connection closed in mid-body');
      }
    } finally {
      // Also when the loop was left at the last piece: all was read, the connection is as good as new.
      const isComplete = left === 0 && head.keepsAlive;
      this.end(isComplete);
      if (isComplete) keep();
    }
  }

  /** Closes the connection unless it may be used again. */
  end(isReusable: boolean): void {
    this.watch.stop();
    this.signal.removeEventListener('abort', this.onAbort);
    if (!isReusable) this.own.socket.destroy();
  }

  told(why: string): LogtierError {
    return transferError(this.own.reason ?? new Error(why), this.url, this.signal);
  }

  private async read(): Promise<Uint8Array | undefined> {
    this.watch.arm();
    const bytes = await this.own.read();
    this.watch.disarm();
    return bytes;
  }
}

/** Connections for GETs, kept while their server keeps them. */
export class SocketGets {
  private readonly clock: Clock;
  private readonly settings: ExchangeSettings;
  private readonly idle: GetSocket[] = [];

  constructor(clock: Clock, settings: ExchangeSettings) {
    this.clock = clock;
    this.settings = settings;
  }

  /**
   * Undefined: ask again by node:http, which tells what is wrong; also when a kept connection turned out to be
   * dead. A new one that breaks, and a hang, are told; failures of a plain answer by its body.
   */
  async get(request: SocketGetRequest, signal: AbortSignal): Promise<RangeAnswer | undefined> {
    throwIfAborted(signal);
    const kept = this.takeKept(request.url);
    const own = kept ?? this.connect(request.url);
    const { idleTimeoutMs } = this.settings;
    const watch = idleWatch(this.clock, idleTimeoutMs, () => {
      own.fail(new LogtierError('STORE_UNAVAILABLE', `no byte moved in ${idleTimeoutMs} ms`));
    });
    const running = new RunningGet(own, request, watch, signal);
    running.send(request);
    const answer = await running.readHead(request.expected);
    if (answer === 'closed' || answer === 'another') {
      running.end(false);
      throwIfAborted(signal);
      if (own.reason instanceof LogtierError) throw own.reason; // a hang is not asked twice
      if (answer === 'closed' && kept === undefined) {
        throw running.told('the connection closed before an answer');
      }
      return undefined;
    }
    const { head, rest } = answer;
    return {
      contentRange: head.contentRange,
      contentBytes: head.contentBytes,
      body: () =>
        running.body(head, rest, () => {
          this.keep(own);
        }),
      drop: () => {
        running.end(false);
      },
    };
  }

  /** Closes idle connections. */
  stop(): void {
    for (const { socket } of this.idle.splice(0)) socket.destroy();
  }

  private takeKept(url: URL): GetSocket | undefined {
    for (let at = this.idle.length - 1; at >= 0; at -= 1) {
      const kept = this.idle[at];
      if (kept?.host !== url.host) continue;
      this.idle.splice(at, 1);
      if (!kept.isUsable) continue;
      kept.socket.ref();
      return kept;
    }
    return undefined;
  }

  private connect(url: URL): GetSocket {
    const own = new GetSocket(url);
    this.watchConnection(own, url);
    return own;
  }

  private keep(own: GetSocket): void {
    if (this.idle.length >= MOST_IDLE || !own.isUsable) {
      own.socket.destroy();
      return;
    }
    own.socket.unref();
    this.idle.push(own);
  }

  private watchConnection(own: GetSocket, url: URL): void {
    const { connectTimeoutMs } = this.settings;
    const deadline = this.clock.deadline(connectTimeoutMs, new AbortController().signal);
    deadline.signal.addEventListener('abort', () => {
      const why = `${url.host}: no connection in ${connectTimeoutMs} ms`;
      own.fail(new LogtierError('STORE_UNAVAILABLE', why));
    });
    const clear = (): void => {
      deadline.clear();
    };
    own.socket.once('connect', clear);
    own.socket.once('close', clear);
  }
}
