// A TCP proxy that turns one bit of each request body on its way to the server: damage that TCP would not see.
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface FlippingProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Bits turned so far. */
  readonly flips: number;
  stop(): Promise<void>;
}

/** One bit per connection, in byte `atByte` of what the client sends: past any request head, if large enough. */
export async function startFlippingProxy(
  upstream: string,
  settings: { readonly atByte: number },
): Promise<FlippingProxy> {
  const [host, port] = upstream.split(':');
  const sockets = new Set<Socket>();
  let flips = 0;
  const server = createServer((client) => {
    const onward = connect({ host: host!, port: Number(port) });
    let passed = 0;
    client.on('data', (bytes) => {
      const at = settings.atByte - passed;
      if (at >= 0 && at < bytes.length) {
        bytes[at]! ^= 1;
        flips += 1;
      }
      passed += bytes.length;
      if (!onward.write(bytes)) client.pause();
    });
    onward.on('drain', () => client.resume());
    client.on('end', () => onward.end());
    onward.pipe(client);
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.on('error', () => {
        client.destroy();
        onward.destroy();
      });
      socket.on('close', () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get flips() {
      return flips;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
