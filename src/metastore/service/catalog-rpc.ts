import { CatalogServiceService } from '../../gen/logtier/v1/catalog.ts';
import { rpcService, type RpcService } from '../../rpc/serve.ts';
import type { CatalogService } from './catalog-service.ts';

/** The service behind gRPC: for `serve` in src/rpc. */
export function catalogRpc(service: CatalogService): RpcService {
  return rpcService(CatalogServiceService, {
    mutate: (request, { signal }) => service.mutate(request, signal),
    query: (request, { signal }) => service.query(request, signal),
    listSegments: (request, { signal }) => service.listSegments(request, signal),
    watch: (request, { signal }) => service.watch(request, signal),
  });
}
