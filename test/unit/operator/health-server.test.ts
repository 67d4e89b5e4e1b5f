import { expect, test } from 'vitest';
import { serveHealth, type HealthDeps } from '../../../src/operator/health-server.ts';
import { silentLogger } from '../../../src/platform/log.ts';

const healthy: HealthDeps = {
  logger: silentLogger,
  notLive: () => [],
  notReady: () => Promise.resolve([]),
  metrics: () => Promise.resolve('logtier_up 1\n'),
};

async function ask(deps: HealthDeps, path: string): Promise<{ status: number; body: string }> {
  const server = await serveHealth(deps, '127.0.0.1:0');
  try {
    const response = await fetch(`http://${server.address}${path}`);
    return { status: response.status, body: await response.text() };
  } finally {
    await server.stop();
  }
}

test('a process that lacks its store lives on but is not ready, and says what is missing', async () => {
  const unready = {
    ...healthy,
    notReady: () => Promise.resolve(['store main: no answer for 12s']),
  };
  expect(await ask(unready, '/healthz')).toEqual({ status: 200, body: 'ok\n' });
  expect(await ask(unready, '/readyz')).toEqual({
    status: 503,
    body: 'store main: no answer for 12s\n',
  });
});

test('metrics are served in Prometheus text format', async () => {
  expect(await ask(healthy, '/metrics')).toEqual({ status: 200, body: 'logtier_up 1\n' });
});

test('an unknown path names the known ones', async () => {
  expect(await ask(healthy, '/')).toMatchObject({ status: 404 });
});

test('a taken port is ALREADY_RUNNING and names the setting', async () => {
  const first = await serveHealth(healthy, '127.0.0.1:0');
  await expect(serveHealth(healthy, first.address)).rejects.toMatchObject({
    code: 'ALREADY_RUNNING',
    message: `listen.http ${first.address} is taken`,
  });
  await first.stop();
});
