import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/platform/clock.ts';
import { SocketGets } from '../../../../src/store/transfer/socket-get.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { codeOf, collect, never } from '../../../support/store-probes.ts';

const settings = { connectTimeoutMs: 5_000, idleTimeoutMs: 200 };
const body = sampleBytes(3_000_000, 5);
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

type Play = (socket: Socket, request: string) => void;

/** A server that answers the n-th request of a connection as told. */
async function serve(play: Play) {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      play(socket, bytes.toString());
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const gets = new SocketGets(systemClock, settings);
  stops.push(() => {
    gets.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket/key`);
  const get = (signal: AbortSignal = never) =>
    gets.get({ url, headers: { host: url.host, range: 'bytes=0-9' }, expected: 206 }, signal);
  return { get, sockets };
}

function head(fields: string): string {
  return `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n${fields}\r\n\r\n`;
}

const whole: Play = (socket) => {
  socket.write(head(`Content-Length: ${body.length}`));
  socket.write(body);
};

test('bodies come whole, one after the other on one connection', async () => {
  const { get, sockets } = await serve(whole);
  for (let round = 0; round < 5; round += 1) {
    const answer = await get();
    expect(answer?.contentRange).toBe('bytes 0-9/10');
    expect((await collect(answer!.body())).equals(body)).toBe(true);
  }
  expect(sockets).toHaveLength(1);
});

test('a loop that is left at its last piece keeps the connection, one left before closes it', async () => {
  const { get, sockets } = await serve(whole);
  for (const stopAt of [body.length, 1]) {
    let bytes = 0;
    for await (const piece of (await get())!.body()) {
      bytes += piece.length;
      if (bytes >= stopAt) break;
    }
  }
  expect(sockets).toHaveLength(1);
  expect((await collect((await get())!.body())).equals(body)).toBe(true);
  expect(sockets).toHaveLength(2);
});

test('an answer that comes byte by byte is put together', async () => {
  const text = `${head('Content-Length: 5')}bytes`;
  const { get } = await serve((socket) => {
    socket.setNoDelay(true);
    let at = 0;
    const timer = setInterval(() => {
      socket.write(text[at] ?? '');
      at += 1;
      if (at === text.length) clearInterval(timer);
    }, 1);
  });
  const answer = await get();
  expect((await collect(answer!.body())).toString()).toBe('bytes');
});

test.each([
  ['an error', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'],
  ['chunked coding', head('Transfer-Encoding: chunked')],
  ['no length', head('X-None: 1')],
  ['no HTTP', 'hello there\r\n\r\n'],
  ['an endless head', 'x'.repeat(100_000)],
])('%s is left to the slow way', async (_name, text) => {
  const { get } = await serve((socket) => socket.write(text));
  expect(await get()).toBeUndefined();
});

test('a connection that died while idle is left to the slow way, once', async () => {
  const { get, sockets } = await serve(whole);
  await collect((await get())!.body());
  sockets[0]!.destroy();
  const second = await get();
  const answer = second ?? (await get());
  expect((await collect(answer!.body())).equals(body)).toBe(true);
});

test('a body that ends early is STORE_UNAVAILABLE', async () => {
  const { get } = await serve((socket) => {
    socket.write(head('Content-Length: 1000'));
    socket.end('short');
  });
  const answer = await get();
  expect(await codeOf(collect(answer!.body()))).toBe('STORE_UNAVAILABLE');
});

test('more bytes than announced are refused, and the connection is not used again', async () => {
  const { get, sockets } = await serve((socket) => {
    socket.write(`${head('Content-Length: 5')}bytes and more`);
  });
  const outcomes = [];
  for (let round = 0; round < 2; round += 1) {
    const answer = await get();
    outcomes.push(await codeOf(collect(answer!.body())));
  }
  expect(outcomes).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
  expect(sockets).toHaveLength(2);
});

test('a server that hangs is told, before and inside the body', async () => {
  const silent = await serve(() => undefined);
  expect(await codeOf(silent.get())).toBe('STORE_UNAVAILABLE');
  const midway = await serve((socket) => {
    socket.write(`${head('Content-Length: 1000')}part`);
  });
  const answer = await midway.get();
  expect(await codeOf(collect(answer!.body()))).toBe('STORE_UNAVAILABLE');
});

test('a slow consumer is no idle server, and its piece stays as it was', async () => {
  const { get } = await serve(whole);
  const answer = await get();
  let at = 0;
  for await (const piece of answer!.body()) {
    await systemClock.sleep(300, never); // longer than the idle time
    expect(body.subarray(at, at + piece.length).equals(piece)).toBe(true);
    at += piece.length;
    if (at > 1_500_000) break;
  }
  expect(at).toBeGreaterThan(1_500_000);
});

test('a get that is cancelled ends with ABORTED, before and inside the body', async () => {
  const silent = await serve(() => undefined);
  const controller = new AbortController();
  const outcome = codeOf(silent.get(controller.signal));
  controller.abort();
  expect(await outcome).toBe('ABORTED');
  const { get } = await serve(whole);
  const second = new AbortController();
  const answer = await get(second.signal);
  const readAll = async (): Promise<void> => {
    for await (const piece of answer!.body()) {
      expect(piece.length).toBeGreaterThan(0);
      second.abort();
    }
  };
  expect(await codeOf(readAll())).toBe('ABORTED');
});

test('a server that is gone is told at once', async () => {
  const { get, sockets } = await serve(whole);
  await collect((await get())!.body());
  for (const stop of stops.splice(0)) stop();
  expect(sockets).toHaveLength(1);
  expect(await codeOf(get())).toBe('STORE_UNAVAILABLE');
});
