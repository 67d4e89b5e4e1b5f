// `logtier metastore`: one member of the metastore in a process of its own.
import { join } from 'node:path';
import { type Metastore, openMetastore } from '../metastore/member/open-metastore.ts';
import { catalogRpc } from '../metastore/service/catalog-rpc.ts';
import { catalogService } from '../metastore/service/catalog-service.ts';
import { clusterRpc } from '../metastore/service/cluster-rpc.ts';
import { MemberMeter } from '../metastore/service/measure-member.ts';
import { metastoreMetrics } from '../metastore/service/metrics.ts';
import { serveHealth } from '../operator/health-server.ts';
import { operatorMetrics } from '../operator/metrics.ts';
import { createMetrics } from '../platform/metrics.ts';
import { defaultServeSettings, serve } from '../rpc/serve.ts';
import { askSnapshotStore, logHomeOf, openSnapshotStore } from './log-home.ts';
import { makeStateDirectory, type ProcessDeps, type Running } from './sidecar.ts';
import type { Settings } from './settings.ts';
import { StopStack } from './stop-stack.ts';
import { VERSION } from './version.ts';

export async function startMetastore(deps: ProcessDeps, settings: Settings): Promise<Running> {
  const stack = new StopStack(deps.logger);
  try {
    return await start(deps, settings, stack);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function start(deps: ProcessDeps, settings: Settings, stack: StopStack): Promise<Running> {
  const { listen, member: memberSettings } = settings.metastore;
  await makeStateDirectory(deps.disk, settings.state.dir);
  const directory = join(settings.state.dir, 'metastore');
  const registry = createMetrics();
  const stores = openSnapshotStore({ ...deps, registry }, settings);
  stack.push('stores', () => Promise.resolve(stores.stop()));
  const logHome = logHomeOf(deps, settings.metastore, stores.byName);
  const opened = await openMetastore(deps, memberSettings, { directory, logHome });
  stack.push('member', () => opened.stop());
  const meter = new MemberMeter(opened, registry.live(metastoreMetrics));
  const { build_info } = registry.live({ build_info: operatorMetrics.build_info });
  build_info.set(1, { version: VERSION, role: 'metastore' });
  stack.push('store check', askSnapshotStore(deps, stores.byName));
  const address = listen.grpc;
  const rpc = await serve(
    { clock: deps.clock, log: deps.logger },
    { ...defaultServeSettings, address },
    [
      catalogRpc(catalogService(opened.member)),
      clusterRpc(opened, VERSION),
      ...opened.peerServices,
    ],
  );
  stack.push('grpc', () => rpc.stop());
  // While the others still reach it, so that they need no election.
  stack.push('leadership', () => handOver(deps, opened));
  const health = await serveHealth(
    {
      logger: deps.logger,
      notLive: () => [],
      notReady: () => Promise.resolve(notReady(opened, settings)),
      metrics: () => {
        meter.measure();
        return registry.print();
      },
    },
    listen.http,
  );
  stack.push('http', () => health.stop());
  const listening = { grpc: rpc.address, http: health.address };
  deps.logger.info({ ...listening, directory }, 'the metastore runs');
  return { ...listening, failed: opened.member.failed, stop: () => stack.stop() };
}

function notReady({ logStatus, group }: Metastore, { metastore }: Settings): string[] {
  const { failure, leader } = logStatus();
  if (failure !== undefined) return [failure];
  if (leader !== undefined) return [];
  if (metastore.etcd !== undefined) return ['etcd does not answer'];
  const isNew = group() === undefined;
  return [isNew ? 'a new group begins when all its voters have met' : 'no leader is known'];
}

async function handOver({ clock, logger }: ProcessDeps, { group }: Metastore): Promise<void> {
  const own = group();
  if (own === undefined || own.leaderId !== own.nodeId) return;
  if (own.membership.confState.voters.length === 1) return;
  const deadline = clock.deadline(HAND_OVER_MS, new AbortController().signal);
  try {
    const leader = await own.transferLeadership(undefined, deadline.signal);
    logger.info({ leader }, 'the leadership is handed over');
  } catch (error) {
    logger.warn({ reason: String(error) }, 'the leadership was not handed over');
  } finally {
    deadline.clear();
  }
}

const HAND_OVER_MS = 2_000;
