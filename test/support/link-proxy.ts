// One directed way between two members: what one dials of the other goes through here, and can be cut or slowed.
import { connect, createServer, type Server, type Socket } from 'node:net';

export type LinkState =
  | { readonly kind: 'whole' }
  /** Connections end, and new ones end at once. */
  | { readonly kind: 'cut' }
  /** Connections stay and nothing passes, as when packets are dropped; it passes late when the link is whole again. */
  | { readonly kind: 'silent' }
  /** Each piece comes so much later. */
  | { readonly kind: 'slow'; readonly delayMs: number };

export interface LinkProxy {
  state: LinkState;
  /** Idempotent. */
  stop(): Promise<void>;
}

const WHOLE: LinkState = { kind: 'whole' };

/** Between sockets of this machine: listens at the path `at`, dials the path `to` for each connection. */
export async function startLink(at: string, to: string): Promise<LinkProxy> {
  const link = new SocketLink(to);
  await link.listen(at);
  return link;
}

class SocketLink implements LinkProxy {
  private readonly to: string;
  private readonly server: Server;
  private readonly pairs = new Set<Pair>();
  private current: LinkState = WHOLE;

  constructor(to: string) {
    this.to = to;
    this.server = createServer((client) => {
      this.accept(client);
    });
  }

  get state(): LinkState {
    return this.current;
  }

  set state(state: LinkState) {
    this.current = state;
    for (const pair of this.pairs) pair.follow(state);
  }

  listen(at: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(at, resolve);
    });
  }

  stop(): Promise<void> {
    for (const pair of this.pairs) pair.end();
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
  }

  private accept(client: Socket): void {
    if (this.current.kind === 'cut') {
      client.on('error', () => undefined);
      client.destroy();
      return;
    }
    const pair = new Pair(client, connect(this.to), () => this.pairs.delete(pair));
    this.pairs.add(pair);
    pair.follow(this.current);
  }
}

/** The two ends of one connection. */
class Pair {
  private readonly ends: readonly [Socket, Socket];
  private state: LinkState = WHOLE;

  constructor(client: Socket, upstream: Socket, gone: () => void) {
    this.ends = [client, upstream];
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (piece) => {
        this.pass(from, to, piece);
      });
      from.on('end', () => to.end());
      from.on('error', () => {
        this.end();
      });
      from.on('close', () => {
        this.end();
        gone();
      });
      to.on('drain', () => {
        if (this.state.kind === 'whole') from.resume();
      });
    }
  }

  follow(state: LinkState): void {
    this.state = state;
    if (state.kind === 'cut') this.end();
    for (const socket of this.ends) {
      if (state.kind === 'silent') socket.pause();
      else socket.resume();
    }
  }

  end(): void {
    for (const socket of this.ends) socket.destroy();
  }

  private pass(from: Socket, to: Socket, piece: Buffer): void {
    if (this.state.kind === 'slow') {
      // One piece at a time keeps their order.
      from.pause();
      setTimeout(() => {
        to.write(piece);
        if (this.state.kind !== 'silent') from.resume();
      }, this.state.delayMs);
    } else if (!to.write(piece)) from.pause();
  }
}
