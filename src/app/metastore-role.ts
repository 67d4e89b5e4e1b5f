// `logtier metastore`: one member of the metastore in a process of its own.
import { join } from 'node:path';
import { LogtierError } from '../base/errors.ts';
import { type GroupPlace, raftHome } from '../metastore/log/raft-log/raft-home.ts';
import { type Metastore, openMetastore } from '../metastore/member/open-metastore.ts';
import { catalogRpc } from '../metastore/service/catalog-rpc.ts';
import { catalogService } from '../metastore/service/catalog-service.ts';
import { clusterRpc } from '../metastore/service/cluster-rpc.ts';
import { serveHealth } from '../operator/health-server.ts';
import { createMetrics } from '../platform/metrics.ts';
import { defaultServeSettings, serve } from '../rpc/serve.ts';
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
  const group = groupPlaceOf(settings.metastore.group);
  const logHome = raftHome(deps, memberSettings.log, group);
  const opened = await openMetastore(deps, memberSettings, { directory, logHome });
  stack.push('member', () => opened.stop());
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
  const registry = createMetrics();
  const health = await serveHealth(
    {
      logger: deps.logger,
      notLive: () => [],
      notReady: () => Promise.resolve(notReady(opened)),
      metrics: () => registry.print(),
    },
    listen.http,
  );
  stack.push('http', () => health.stop());
  const listening = { grpc: rpc.address, http: health.address };
  deps.logger.info({ ...listening, directory }, 'the metastore runs');
  return { ...listening, failed: opened.member.failed, stop: () => stack.stop() };
}

function notReady({ logStatus, group }: Metastore): string[] {
  const { failure, leader } = logStatus();
  if (failure !== undefined) return [failure];
  if (leader !== undefined) return [];
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

function groupPlaceOf(group: Settings['metastore']['group']): GroupPlace | undefined {
  if (group === undefined) return undefined;
  const { id, node, voters } = group;
  const address = group.address ?? voters.find((voter) => voter.node === node)?.address;
  if (address === undefined) {
    throw new LogtierError('INVALID_CONFIG', 'metastore.group.address is missing', {
      hint: 'a member that is not among the voters says where the others reach it',
    });
  }
  const peers = voters.map((voter) => ({ id: voter.node, address: voter.address }));
  return { id, nodeId: node, address, voters: peers };
}
