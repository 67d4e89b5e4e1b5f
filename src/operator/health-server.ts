// /healthz, /readyz and /metrics on plain HTTP; loopback unless told otherwise.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { LogtierError } from '../base/errors.ts';
import { errnoOf } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';

export interface HealthDeps {
  readonly logger: Logger;
  /** What keeps the process from living on, in words. Never a store or a broker: those only unready it. */
  notLive(): readonly string[];
  /** What is not ready, in words; empty when everything is. */
  notReady(): Promise<readonly string[]>;
  /** Prometheus text format. */
  metrics(): Promise<string>;
}

export interface HealthServer {
  /** HOST:PORT as bound. */
  readonly address: string;
  stop(): Promise<void>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';
/** Prometheus exposition format, as the server scrapes it. */
const METRICS = 'text/plain; version=0.0.4; charset=utf-8';

/** @param address HOST:PORT; port 0 takes a free one. Throws ALREADY_RUNNING when the port is taken. */
export async function serveHealth(deps: HealthDeps, address: string): Promise<HealthServer> {
  const server = createServer((request, response) => {
    void answer(deps, request, response);
  });
  const separator = address.lastIndexOf(':');
  const host = address.slice(0, separator);
  await listen(server, host, Number(address.slice(separator + 1)));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { address: `${host}:${port}`, stop: () => close(server) };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const taken = errnoOf(error) === 'EADDRINUSE';
      const code = taken ? 'ALREADY_RUNNING' : 'INVALID_CONFIG';
      const why = taken ? 'is taken' : `cannot be bound: ${errnoOf(error) ?? error.message}`;
      reject(
        new LogtierError(code, `listen.http ${host}:${port} ${why}`, {
          hint: 'stop the other process, or set another listen.http',
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

async function answer(
  deps: HealthDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const page = await pageFor(deps, request);
    response.writeHead(page.status, { 'content-type': page.type, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? '' : page.body);
  } catch (error) {
    deps.logger.error({ url: request.url, error: String(error) }, 'a health page failed');
    response.writeHead(500, { 'content-type': TEXT });
    response.end('the page failed; see the log\n');
  }
}

async function pageFor(deps: HealthDeps, request: IncomingMessage): Promise<Page> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
  }
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      return verdict(deps.notLive());
    case '/readyz':
      return verdict(await deps.notReady());
    case '/metrics':
      return { status: 200, type: METRICS, body: await deps.metrics() };
    default:
      return { status: 404, type: TEXT, body: 'try /healthz, /readyz or /metrics\n' };
  }
}

function verdict(complaints: readonly string[]): Page {
  return complaints.length === 0
    ? { status: 200, type: TEXT, body: 'ok\n' }
    : { status: 503, type: TEXT, body: `${complaints.join('\n')}\n` };
}
