// A TCP proxy in this process whose connections fail by data: what networks and servers do on a bad day.
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export type ConnectionFault =
  /** Flips one bit of the byte at `atByte` of this direction, counted from the connection's start. */
  | { readonly kind: 'flip'; readonly direction: Direction; readonly atByte: number }
  /**
   * Flips one bit of every HTTP message's body: `afterHeaderBytes` behind the end of its head. Only
   * messages that declare a body of more bytes than that are touched: once per part.
   */
  | {
      readonly kind: 'flip-bodies';
      readonly direction: Direction;
      readonly afterHeaderBytes: number;
    }
  /** Closes both sides orderly after so many bytes of this direction. */
  | { readonly kind: 'cut'; readonly direction: Direction; readonly afterBytes: number }
  /** RST to the client after so many bytes of this direction. */
  | { readonly kind: 'reset'; readonly direction: Direction; readonly afterBytes: number }
  /** Passes nothing on after so many bytes of this direction, and keeps the connection open. */
  | { readonly kind: 'hang'; readonly direction: Direction; readonly afterBytes: number }
  /** Answers the first request with 503 and closes; the server is not asked. */
  | { readonly kind: 'unavailable' }
  /** At most so many bytes a second in each direction. */
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number };

/** `up`: towards the server. */
export type Direction = 'up' | 'down';

export interface FaultProxy {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Faults that were played so far. */
  readonly played: number;
  /** Holds for connections opened from now on; the n-th gets `faultOf(n)`, n from 0. */
  script(faultOf: (connection: number) => ConnectionFault | undefined): void;
  stop(): Promise<void>;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const THROTTLE_SLICE_MS = 20;

/** What one direction of a connection does with each piece; false = nothing more is passed on. */
type Passing = (piece: Buffer, pass: (bytes: Buffer) => void) => boolean;

/** Finds bodies in a stream of HTTP/1.1 messages with Content-Length, and flips a bit of each large one. */
function bodyFlipper(afterHeaderBytes: number, onPlayed: () => void): Passing {
  let head = Buffer.alloc(0);
  let bodyLeft = 0;
  let flipIn = -1;
  const body = (piece: Buffer): Buffer => {
    const taken = piece.subarray(0, bodyLeft);
    if (flipIn >= 0 && flipIn < taken.length) {
      taken[flipIn]! ^= 1;
      onPlayed();
    }
    flipIn -= taken.length;
    bodyLeft -= taken.length;
    return taken;
  };
  return (piece, pass) => {
    let rest = piece;
    while (rest.length > 0) {
      if (bodyLeft > 0) {
        const taken = body(rest);
        pass(taken);
        rest = rest.subarray(taken.length);
        continue;
      }
      const before = head.length;
      head = Buffer.concat([head, rest]);
      const end = head.indexOf(HEAD_END);
      if (end < 0) {
        pass(rest);
        return true;
      }
      const headBytes = end + HEAD_END.length;
      const length = /\r\ncontent-length: *(\d+)/i.exec(head.subarray(0, headBytes).toString());
      bodyLeft = Number(length?.[1] ?? 0);
      flipIn = bodyLeft > afterHeaderBytes ? afterHeaderBytes : -1;
      pass(rest.subarray(0, headBytes - before));
      rest = rest.subarray(headBytes - before);
      head = Buffer.alloc(0);
    }
    return true;
  };
}

const passAll: Passing = (piece, pass) => {
  pass(piece);
  return true;
};

function byteFlipper(atByte: number, onPlayed: () => void): Passing {
  let position = 0;
  return (piece, pass) => {
    const at = atByte - position;
    if (at >= 0 && at < piece.length) {
      piece[at]! ^= 1;
      onPlayed();
    }
    position += piece.length;
    pass(piece);
    return true;
  };
}

/** Passes the first `afterBytes`, then calls `act` once. */
function stopper(afterBytes: number, act: () => void): Passing {
  let position = 0;
  return (piece, pass) => {
    const left = afterBytes - position;
    position += piece.length;
    if (piece.length < left) {
      pass(piece);
      return true;
    }
    if (left > 0) pass(piece.subarray(0, left));
    act();
    return false;
  };
}

function throttledPump(from: Socket, to: Socket, bytesPerSecond: number): void {
  const sliceBytes = Math.max(1, Math.floor((bytesPerSecond * THROTTLE_SLICE_MS) / 1000));
  let waiting = Buffer.alloc(0);
  let hasEnded = false;
  from.on('data', (piece) => {
    waiting = Buffer.concat([waiting, piece]);
    from.pause();
  });
  const timer = setInterval(() => {
    if (waiting.length > 0) to.write(waiting.subarray(0, sliceBytes));
    waiting = waiting.subarray(sliceBytes);
    if (waiting.length > 0) return;
    if (hasEnded) to.end();
    else from.resume();
  }, THROTTLE_SLICE_MS);
  from.once('end', () => {
    hasEnded = true;
  });
  to.once('close', () => clearInterval(timer));
}

class Connection {
  readonly client: Socket;
  readonly upstream: Socket;
  private readonly onPlayed: () => void;

  constructor(client: Socket, upstream: Socket, onPlayed: () => void) {
    this.client = client;
    this.upstream = upstream;
    this.onPlayed = onPlayed;
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  }

  run(fault: ConnectionFault | undefined): void {
    if (fault?.kind === 'throttle') {
      throttledPump(this.client, this.upstream, fault.bytesPerSecond);
      throttledPump(this.upstream, this.client, fault.bytesPerSecond);
      return;
    }
    this.pump('up', fault);
    this.pump('down', fault);
  }

  private pump(direction: Direction, fault: ConnectionFault | undefined): void {
    const [from, to] =
      direction === 'up' ? [this.client, this.upstream] : [this.upstream, this.client];
    const passing = this.passingOf(direction, fault);
    let isPassing = true;
    from.on('data', (piece) => {
      if (!isPassing) return;
      isPassing = passing(piece, (bytes) => {
        if (bytes.length === 0 || to.destroyed) return;
        if (!to.write(bytes)) from.pause();
      });
    });
    from.on('end', () => {
      if (isPassing) to.end();
    });
    to.on('drain', () => from.resume());
  }

  private passingOf(direction: Direction, fault: ConnectionFault | undefined): Passing {
    if (fault === undefined || !('direction' in fault) || fault.direction !== direction) {
      return passAll;
    }
    switch (fault.kind) {
      case 'flip':
        return byteFlipper(fault.atByte, this.onPlayed);
      case 'flip-bodies':
        return bodyFlipper(fault.afterHeaderBytes, this.onPlayed);
      case 'cut':
      case 'reset':
      case 'hang':
        return stopper(fault.afterBytes, () => {
          this.onPlayed();
          this.stopAs(fault.kind);
        });
    }
  }

  private stopAs(kind: 'cut' | 'reset' | 'hang'): void {
    if (kind === 'cut') this.client.end();
    if (kind === 'reset') this.client.resetAndDestroy();
  }
}

function answerUnavailable(client: Socket): void {
  client.once('data', () => {
    client.end('HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  });
}

class LocalFaultProxy implements FaultProxy {
  connections = 0;
  played = 0;
  private readonly server: Server;
  private readonly open = new Set<Socket>();
  private faultOf: (connection: number) => ConnectionFault | undefined = () => undefined;

  constructor(target: { readonly host: string; readonly port: number }) {
    this.server = createServer((client) => {
      this.accept(client, target);
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  script(faultOf: (connection: number) => ConnectionFault | undefined): void {
    const base = this.connections;
    this.faultOf = (connection) => faultOf(connection - base);
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', resolve);
    });
  }

  stop(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }

  private accept(client: Socket, target: { readonly host: string; readonly port: number }): void {
    const fault = this.faultOf(this.connections);
    this.connections += 1;
    this.keep(client);
    if (fault?.kind === 'unavailable') {
      this.played += 1;
      client.on('error', () => undefined);
      answerUnavailable(client);
      return;
    }
    const upstream = connect(target);
    this.keep(upstream);
    const onPlayed = (): void => {
      this.played += 1;
    };
    new Connection(client, upstream, onPlayed).run(fault);
  }

  private keep(socket: Socket): void {
    this.open.add(socket);
    socket.once('close', () => this.open.delete(socket));
  }
}

/** Listens on a free loopback port and passes everything on to `target`, except for the faults. */
export async function startFaultProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<FaultProxy> {
  const proxy = new LocalFaultProxy(target);
  await proxy.listen();
  return proxy;
}
