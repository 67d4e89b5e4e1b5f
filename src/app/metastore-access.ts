// The way from a sidecar to its metastore: over gRPC, or a member in this very process.
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import { grpcTransport, type CatalogTransport } from '../metastore/client/catalog-transport.ts';
import { CommandChannel } from '../metastore/client/command-channel.ts';
import { MetastoreEraseQueue } from '../metastore/client/erase-queue.ts';
import { LocalView } from '../metastore/client/local-view.ts';
import { MetastoreQueries } from '../metastore/client/metastore-queries.ts';
import { OperatorCommands } from '../metastore/client/operator-commands.ts';
import { ownWritesView } from '../metastore/client/own-writes-view.ts';
import { MetastoreLedger } from '../metastore/client/segment-ledger.ts';
import { forgetfulHome } from '../metastore/client/view-home.ts';
import type { ClientIdentity } from '../metastore/client/settings.ts';
import { type Metastore, openMetastore } from '../metastore/member/open-metastore.ts';
import { catalogService } from '../metastore/service/catalog-service.ts';
import type { MetastoreClock, SegmentView } from '../uploader/segment-ledger.ts';
import { embeddedLogHome } from './log-home.ts';
import type { NamedStore } from './open-stores.ts';
import type { Settings } from './settings.ts';
import { openViewHome } from './view-home.ts';

export interface MetastoreDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
  /** Where an embedded member over etcd keeps its snapshots, by name. */
  readonly stores: ReadonlyMap<string, NamedStore>;
}

export interface MetastoreAccess {
  readonly embedded: Metastore | undefined;
  readonly transport: CatalogTransport;
  readonly channel: CommandChannel;
  readonly queries: MetastoreQueries;
  readonly ledger: MetastoreLedger;
  readonly eraseQueue: MetastoreEraseQueue;
  readonly view: LocalView;
  /** The view as the uploader asks it: at or past all that this process was answered. */
  readonly uploaderView: SegmentView;
  readonly clock: MetastoreClock;
  readonly acts: OperatorCommands;
  stop(): Promise<void>;
}

export async function openMetastoreAccess(
  deps: MetastoreDeps,
  settings: Pick<Settings, 'metastore' | 'state'>,
  identity: ClientIdentity,
): Promise<MetastoreAccess> {
  const { endpoints, member } = settings.metastore;
  const embedded =
    endpoints === undefined
      ? await openMetastore(deps, member, {
          directory: join(settings.state.dir, 'metastore'),
          logHome: embeddedLogHome(deps, settings.metastore, deps.stores),
        })
      : undefined;
  const remote = endpoints === undefined ? undefined : grpcTransport(deps.clock, endpoints);
  const transport = remote ?? serviceOf(embedded);
  const clientSettings = settings.metastore.client;
  const channel = new CommandChannel({ ...deps, transport }, clientSettings, identity);
  const queries = new MetastoreQueries(transport, identity.clusterId);
  const home =
    remote === undefined
      ? forgetfulHome
      : await openViewHome(deps, join(settings.state.dir, 'view'), identity.clusterId);
  const view = new LocalView({ ...deps, transport, home }, clientSettings, identity.clusterId);
  view.start();
  return {
    embedded,
    transport,
    channel,
    queries,
    ledger: new MetastoreLedger(channel, 'watch'),
    eraseQueue: new MetastoreEraseQueue(channel, queries),
    view,
    uploaderView: ownWritesView(view, channel),
    clock: queries,
    acts: new OperatorCommands(channel),
    stop: async () => {
      await view.stop();
      await channel.stop();
      remote?.stop();
      await embedded?.stop();
    },
  };
}

function serviceOf(embedded: Metastore | undefined): CatalogTransport {
  if (embedded === undefined) throw new TypeError('a metastore is embedded or has endpoints');
  return catalogService(embedded.member);
}
